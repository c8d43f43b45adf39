"""What a source offers, and the tables that follow it."""
