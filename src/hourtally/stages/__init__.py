"""The pure functions from slices to documents: no clock, no path, no setting."""
