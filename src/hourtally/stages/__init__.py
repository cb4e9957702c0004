"""Pure functions from slices to documents. They know no clock, no path and no setting."""
