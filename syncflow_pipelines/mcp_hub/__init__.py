"""One MCP server for everything that was generated, and for SyncFlow itself."""
