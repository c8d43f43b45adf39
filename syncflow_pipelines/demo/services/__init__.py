"""Two small services with OpenAPI documents that change when asked to: a warehouse (3.1) and parcels (Swagger 2.0)."""
