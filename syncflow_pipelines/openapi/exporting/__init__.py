"""The spec of a service of one's own, written to a file at once when it changes: from its app, or while it runs."""
