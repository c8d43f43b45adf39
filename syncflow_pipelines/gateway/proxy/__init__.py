"""The data plane: passes requests on, and answers back, unchanged but for what belongs to the way."""
