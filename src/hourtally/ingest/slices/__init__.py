"""Events to slices, cut at hour boundaries, and the files that hold them."""
