"""Models of an ORM → the inner form, read in a process of its own: nobody's models are imported by SyncFlow itself."""
