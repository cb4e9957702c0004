"""A day: its 24 hours, each with its state, total and reasons; for keyboards and small screens."""

from __future__ import annotations

from hourtally.model.hours import Hour, HourRange
from hourtally.server.pages.addresses import Addresses
from hourtally.server.pages.customer_page import CustomerHours
from hourtally.server.pages.hour_revisions import Viewer
from hourtally.server.pages.rendering import Page
from hourtally.server.pages.sources import PageSources, hours_before

_DAY_HOURS = 24


def day_page(sources: PageSources, viewer: Viewer, addresses: Addresses, hour: Hour) -> Page:
    """The page of the day that an hour lies in."""
    first = Hour.parse(hour.name[:10])
    end = hours_before(first, -_DAY_HOURS)
    within = HourRange(first, end)
    assert viewer.customer is not None
    hours = CustomerHours(sources, viewer.customer, within)
    sums = hours.sums(within)
    return Page(
        "day",
        {
            "title": first.name[:10],
            "day": first.name[:10],
            "cells": [(one, addresses.hour(one.hour)) for one in hours.cells(within)],
            "totals": sums.totals,
            "held": sums.held,
            "previous": addresses.day(hours_before(first, _DAY_HOURS).name[:10]),
            "next": addresses.day(end.name[:10]),
        },
    )
