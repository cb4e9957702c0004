"""Event files to slices: read, checked, cut at hour boundaries, sorted, recorded as a batch."""
