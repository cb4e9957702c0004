"""Sums over a range of published hours, by customer, team, project, type or resource."""

from hourtally.published.listing.listing import Listing, list_range
from hourtally.published.listing.question import LEVELS, Level, Question

__all__ = ["LEVELS", "Level", "Listing", "Question", "list_range"]
