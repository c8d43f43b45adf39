"""The inner form of a source → the text of its module."""
