"""Specs → Python modules: an MCP server and a Connexion resolver for every service."""
