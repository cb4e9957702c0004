"""Event files to slices: read, validate, cut at hour boundaries, sort, record as a batch."""
