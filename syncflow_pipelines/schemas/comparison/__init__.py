"""Schemas beside others: those that people keep, those that were, and the tables that they are for."""
