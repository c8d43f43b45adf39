"""What becomes of every OpenAPI document of a folder."""
