"""One door to many APIs: registry, health, circuit breakers, and a data plane that passes requests on unchanged."""
