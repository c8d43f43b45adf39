"""SyncFlow inside an ASGI application of one's own, such as one of FastAPI."""
