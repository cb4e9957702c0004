"""The held customers of hours as a revision publishes them, and the inputs that hours share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.build.rates.asked_rates import AskedRates
from hourtally.model.hours import format_instant
from hourtally.model.schemas import CUSTOMERS, HELD, conform, of_hours
from hourtally.ratecard import RateCard, write_rates_snapshot
from hourtally.store.addressed import digest_of, write_addressed
from hourtally.store.layout import Home
from hourtally.store.manifests import PendingRevision
from hourtally.store.slice_files import count_rows

# The rest is in held.parquet; a manifest of 2 KB is read in 50 us.
MOST_LISTED: Final = 100


@dataclass(frozen=True)
class Held:
    """The held customers of an hour. ids: sorted. rows: `schemas.HELD`, sorted."""

    ids: pl.Series
    rows: pl.DataFrame

    def added_to(self, customers: pl.DataFrame) -> pl.DataFrame:
        """`schemas.CUSTOMERS` of an hour with a row for each held customer too."""
        if self.ids.is_empty():
            return customers
        rows = pl.DataFrame({"customer_id": self.ids, "held": [True] * len(self.ids)})
        every = pl.concat([customers, rows], how="diagonal").sort("customer_id")
        return conform(every, CUSTOMERS)

    def described(self) -> dict[str, Any]:
        """What the manifest says: which customers, and the first rows."""
        listed = []
        for row in self.rows.head(MOST_LISTED).iter_rows(named=True):
            span = {
                "from": format_instant(row["from_ms"]),
                "until": format_instant(row["until_ms"]),
            }
            listed.append({k: v for k, v in row.items() if not k.endswith("_ms")} | span)
        return {"customers": len(self.ids), "customer_ids": self.ids.to_list(), "listed": listed}


def held_of_hours(asked: AskedRates, revisions: Sequence[PendingRevision]) -> list[Held]:
    """The held customers of each hour."""
    timestamps = [one.hour.timestamp for one in revisions]
    return [
        Held(ids["customer_id"], conform(rows, HELD))
        for ids, rows in zip(
            of_hours(asked.held_customers, timestamps),
            of_hours(with_batches(asked.held, revisions), timestamps),
            strict=True,
        )
    ]


def with_batches(held: pl.DataFrame, revisions: Sequence[PendingRevision]) -> pl.DataFrame:
    """`schemas.HELD`, hourly: instead of a slice's number the name of the record it is from."""
    if held.is_empty():
        return held.select(pl.exclude("slice_row")).with_columns(batch=pl.lit(None, pl.String))
    firsts, names, first = [], [], 0
    for path in (path for one in revisions for path in one.files.slices):
        firsts.append(first)
        names.append(path.stem)
        first += count_rows([path])
    file = pl.Series(firsts, dtype=pl.Int64).search_sorted(held["slice_row"], "right") - 1
    batch = pl.Series(names, dtype=pl.String).gather(file).alias("batch")
    return held.drop("slice_row").with_columns(batch)


def store_inputs(
    home: Home, card: RateCard, asked: AskedRates, revisions: Sequence[PendingRevision]
) -> None:
    """Store what manifests name by digest: the rates in force and the cases, each once."""
    for one in {one.inputs["rates"]: one for one in revisions}.values():
        write_rates_snapshot(home, card, one.hour, one.folder)
    for content in dict.fromkeys(asked.cases):
        path = home.cases_file(digest_of(content))
        write_addressed(path, content, staging=revisions[0].folder)
