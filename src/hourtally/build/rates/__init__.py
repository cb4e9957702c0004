"""A rate card against the usage of hours: prices, who is held, and whether it changes an hour."""
