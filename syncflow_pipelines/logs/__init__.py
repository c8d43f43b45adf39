"""Log lines: one event a line, as JSON or for people, with the ids of what it is about, and without secrets."""
