"""Components of OpenAPI documents → a module of Pydantic classes, by datamodel-code-generator."""
