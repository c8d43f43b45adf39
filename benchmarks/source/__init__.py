"""A source for benchmarks: the contract of the demo source, served at next to no cost."""
