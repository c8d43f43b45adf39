"""Entities and their tables, looked at: nothing is changed, and every answer is bounded."""
