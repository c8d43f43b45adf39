"""OpenAPI specs: fetched, bundled, brought into one inner form, kept, and compared."""
