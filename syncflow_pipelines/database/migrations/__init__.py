"""Alembic's migrations of the metadata tables."""
