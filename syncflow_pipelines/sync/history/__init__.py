"""Every change of a row on record, for the entities that want it."""
