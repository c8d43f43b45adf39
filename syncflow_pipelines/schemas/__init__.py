"""Models, entities and components of OpenAPI documents → Pydantic schemas: Create, Update and Response."""
