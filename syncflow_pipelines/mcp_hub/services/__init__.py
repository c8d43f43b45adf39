"""The generated MCP servers: found in their folder, loaded, followed as they change, and offered under one roof."""
