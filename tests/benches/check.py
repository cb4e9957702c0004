"""Compares two files of documents: a yardstick must compute the same result.

python -m tests.benches.check 'home/hours/*/rev-*/documents.ndjson' OTHER
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

# Two ways of rounding differ by at most a nanocent per resource.
NANOCENT = Decimal("1e-9")

Prices = dict[str, Decimal]


def totals(documents: Path) -> dict[str, tuple[int, Prices]]:
    """The number of resources and the prices by component, for each customer."""
    found = {}
    with documents.open("rb") as lines:
        for line in lines:
            customer = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            data = customer["document"]["data"]
            resources = sum(
                len(kind["resources"])
                for team in data["paasUsage"]["teams"]
                for project in team["projects"]
                for kind in project["resourceTypes"]
            )
            prices = {
                f"{usage} {component}": price
                for usage in ("paasUsage", "byocUsage")
                for component, price in data[usage]["price"].items()
            }
            found[customer["customerId"]] = (resources, prices)
    return found


def differences(ours: Path, theirs: Path) -> list[str]:
    """Customers missing from one file, and prices that differ by more than rounding."""
    left, right = totals(ours), totals(theirs)
    found = [f"{customer}: not in both" for customer in left.keys() ^ right.keys()]
    for customer in left.keys() & right.keys():
        (resources, prices), (other_resources, other_prices) = left[customer], right[customer]
        if resources != other_resources:
            found.append(f"{customer}: {resources} and {other_resources} resources")
        if prices.keys() != other_prices.keys():
            found.append(f"{customer}: {list(prices)} and {list(other_prices)}")
            continue
        found += [
            f"{customer}: {component} {price} and {other_prices[component]}"
            for component, price in prices.items()
            if abs(price - other_prices[component]) > NANOCENT * (resources + 1)
        ]
    return sorted(found)


def main() -> None:
    """Compare; exit status 1 where they differ."""
    home, theirs = (Path(argument) for argument in sys.argv[1:])
    (ours,) = home.glob("hours/*/rev-*/documents.ndjson")
    if found := differences(ours, theirs):
        sys.exit("\n".join(["the documents differ:", *found[:10]]))


if __name__ == "__main__":
    main()
