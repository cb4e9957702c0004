"""Sorting slices by hour and resource in bounded memory, spilling to disk."""
