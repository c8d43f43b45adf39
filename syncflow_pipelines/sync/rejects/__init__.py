"""Rows that could not be kept: on record, tried again, or dropped."""
