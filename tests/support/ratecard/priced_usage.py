"""Usage of cpu in one hour, looked up in a card of a few rates by the hour."""

from __future__ import annotations

import polars as pl

from hourtally.model.components import RESOURCE_EVENT
from hourtally.model.hours import Hour
from hourtally.model.schemas import RESOURCE_ORDER, USAGE
from hourtally.ratecard import RateCard, parse_rate_card
from hourtally.stages.rate_lookup import Lookup, look_up, named_customers, with_rate_customer

HOUR = Hour.parse("2026-11-22T13")


def rates_of(*rates: str) -> RateCard:
    return parse_rate_card('currency = "USD"\n' + "".join(rates), "card")


def cpu_rate(name: str, price: str, more: str = "") -> str:
    return (
        f'[[rate]]\nid = "{name}"\nmeter = "paas.cpu"\nprice_cents = "{price}"\n'
        f'per = "vcpu-hour"\nactive_from = 2026-01-01T00:00:00Z\n{more}\n'
    )


def usage(*rows: tuple[str, int, int]) -> pl.DataFrame:
    """`schemas.USAGE` of services: resource, rate period, millicores x milliseconds."""
    blank = {column: 0 if column.endswith("_ms") else None for column in USAGE}
    known = {
        "timestamp": HOUR.timestamp,
        "event_type": RESOURCE_EVENT,
        "customer_id": "c",
        "team_id": "t",
        "project_id": "p",
        "resource_type": "service",
        "region": "eu",
    }
    return pl.DataFrame(
        [
            {**blank, **known, "resource_id": resource, "period": period, "cpu_millicores_ms": cpu}
            for resource, period, cpu in rows
        ],
        schema=USAGE,
    )


def looked_up(table: pl.DataFrame, rates: RateCard) -> list[Lookup]:
    in_force = rates.in_force(HOUR)
    named = named_customers([(HOUR.timestamp, in_force)])
    by_resource = with_rate_customer(table.sort(RESOURCE_ORDER), named)
    return look_up(by_resource, in_force, rates.periods(HOUR))
