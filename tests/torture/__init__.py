"""Faults, hostile input and many at once: short with the other tests, long by `make torture`."""
