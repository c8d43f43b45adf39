"""Other tools that do the same, each in an environment of its own that is made when it is first needed."""
