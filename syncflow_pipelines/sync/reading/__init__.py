"""From the source's answers to pages of rows, however the source moves meanwhile."""
