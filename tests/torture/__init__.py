"""Faults, hostile input and concurrency: sampled in other targets, complete in `make torture`."""
