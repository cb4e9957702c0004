"""From slices to a published revision: what is stale, how it is built, how it is published."""
