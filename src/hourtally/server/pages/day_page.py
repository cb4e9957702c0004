"""A day: its 24 hours, each with its state, total and reasons; for keyboards and small screens."""

from __future__ import annotations

from hourtally.model.hours import Hour, HourRange
from hourtally.server.pages.addresses import DAY_HOURS, Addresses, hours_before
from hourtally.server.pages.customer_page import CustomerHours
from hourtally.server.pages.hour_revisions import Viewer
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources


def day_page(sources: PageSources, viewer: Viewer, addresses: Addresses, hour: Hour) -> Page:
    """The page of the day that an hour lies in."""
    first = Hour.parse(hour.name[:10])
    within = HourRange(first, hours_before(first, -DAY_HOURS))
    hours = CustomerHours(sources, viewer, within)
    sums = hours.sums(within)
    return Page(
        "day",
        {
            "title": first.name[:10],
            "day": first.name[:10],
            "cells": [(one, addresses.hour(one.hour)) for one in hours.cells(within)],
            "totals": sums.totals,
            "held": sums.held,
            **addresses.days_beside(first),
        },
    )
