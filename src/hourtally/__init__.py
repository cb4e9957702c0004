"""Hourtally: metering events in, exact hourly usage documents out."""

__version__ = "0.1.0"

# What the numbers depend on. Raise it when a build of unchanged inputs would give other
# bytes: every hour built by an older version is then stale and is restated.
BUILD_VERSION = 1
