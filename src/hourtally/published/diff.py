"""Diff of two revisions of an hour: the changes at every level, and their causes.

The rows of the revisions are joined by their keys. A row that only one of them has, or that
differs in a price, a name or its usage, is a change. Where a revision has no quantities, because
its build kept none, they are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import polars.selectors as cs

from hourtally.errors import Damaged, Pruned
from hourtally.model.hours import Hour
from hourtally.model.schemas import (
    CHARGES,
    CLUSTERS,
    CUSTOMERS,
    NANOHOURS,
    PLACE,
    PROJECTS,
    RESOURCE_KEY,
    TEAMS,
    TYPES,
    USAGE_PLACE,
    Schema,
)
from hourtally.published.checked_files import has_quantities, read_table
from hourtally.ratecard import Rate, read_rates_snapshot
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest

MOST_LISTED_CUSTOMERS: Final = 10
# Level: its table, the table's schema, its key, the column of the name.
LEVELS: Final[dict[str, tuple[str, Schema, tuple[str, ...], str | None]]] = {
    "customers": ("customers", CUSTOMERS, RESOURCE_KEY[:1], None),
    "teams": ("teams", TEAMS, RESOURCE_KEY[:2], "team_name"),
    "projects": ("projects", PROJECTS, RESOURCE_KEY[:3], "project_name"),
    "types": ("types", TYPES, RESOURCE_KEY[:4], None),
    "resources": ("charges", CHARGES, RESOURCE_KEY, "resource_name"),
    "clusters": ("clusters", CLUSTERS, ("customer_id", "cluster_id"), "cluster_name"),
}
_LOCATION: Final = (*PLACE, *USAGE_PLACE, "held")
# What differs of a customer that one of the revisions holds.
NOW_HELD: Final = "held"
NO_LONGER_HELD: Final = "no longer held"
_PRICES: Final = "_nanocents"
# The exact usage, which only the lowest level has, and the reported one.
_USAGE: Final = ("_ms", NANOHOURS)

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Causes:
    """Why two revisions differ: the differences of their inputs.

    rates: id, rate before and rate after of each rate that differs; None if there is none.
    """

    batches_added: tuple[str, ...]
    batches_removed: tuple[str, ...]
    rates: tuple[tuple[str, Rate | None, Rate | None], ...]
    build: tuple[int, int]

    @property
    def rates_added(self) -> list[str]:
        """Ids."""
        return [id_ for id_, before, _ in self.rates if before is None]

    @property
    def rates_removed(self) -> list[str]:
        """Ids."""
        return [id_ for id_, _, after in self.rates if after is None]

    @property
    def rates_changed(self) -> list[str]:
        """Ids."""
        return [id_ for id_, before, after in self.rates if before and after]


@dataclass(frozen=True)
class Changes:
    """The changes between two revisions.

    levels: the changed rows of each level, the largest change first. Columns: the level's key,
    `name`, `before` and `after` (totals in nanocents, null if there is no row) as 128-bit
    integers, `delta`, and `what`, a list of what differs. total: before and after. voids: as
    `void_changes`.
    """

    causes: Causes
    levels: dict[str, pl.DataFrame]
    total: tuple[int, int]
    voids: dict[str, dict[str, int]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return all(rows.is_empty() for rows in self.levels.values())


def changes_between(home: Home, before: Manifest, after: Manifest) -> Changes:
    """The changes from `before` to `after`, two revisions of one hour.

    Raises:
        Damaged: a file of a revision does not match its manifest.
    """
    compares = has_quantities(before) and has_quantities(after)
    levels = _levels(_tables(before), _tables(after), quantities=compares)
    totals = (int(before.record["totals"]["total"]), int(after.record["totals"]["total"]))
    causes = _causes(home, before.hour, before.inputs, after.inputs)
    return Changes(causes, levels, totals, void_changes(before.record, after.record))


def void_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The number of voids and of voided slices in the manifests of two revisions.

    Those of build version 1 know no voids.
    """
    then, now = before.get("voids", {}), after.get("voids", {})
    return {
        name: {"before": then.get(key, 0), "after": now.get(key, 0)}
        for name, key in (("voids", "count"), ("slices_voided", "slices_voided"))
    }


def summarize_changes(
    home: Home, before: Manifest, inputs: dict[str, Any], tables: Tables, total: int
) -> dict[str, Any]:
    """The `changes` of the manifest of a restatement: how many rows of each level it changes.

    A damaged parent must not block the restatement, which may be its repair: then the summary
    only has the reason why the changes are unknown.
    """
    try:
        levels = _levels(_tables(before), tables, quantities=has_quantities(before))
        causes = _causes(home, before.hour, before.inputs, inputs)
    except (Damaged, Pruned) as error:
        return {"unknown": str(error)}
    largest = levels["customers"].head(MOST_LISTED_CUSTOMERS)
    return {
        "batches_added": list(causes.batches_added),
        "batches_removed": list(causes.batches_removed),
        "rates_added": causes.rates_added,
        "rates_removed": causes.rates_removed,
        "rates_changed": causes.rates_changed,
        "total": {"before": before.record["totals"]["total"], "after": total},
        **{level: len(rows) for level, rows in levels.items()},
        "largest": [
            {"customer": row["customer_id"], "before": row["before"], "after": row["after"]}
            for row in largest.iter_rows(named=True)
        ],
    }


def _tables(manifest: Manifest) -> Tables:
    return {table: read_table(manifest, table, schema) for table, schema, _, _ in LEVELS.values()}


def _levels(before: Tables, after: Tables, *, quantities: bool) -> dict[str, pl.DataFrame]:
    """The changed rows of each level; quantities: whether both have some.

    A customer that one of the revisions holds has a row among the customers only: below it there
    is nothing to compare.
    """
    held = [tables["customers"].filter("held")["customer_id"] for tables in (before, after)]
    changed = {}
    for level, (table, _, _, _) in LEVELS.items():
        frames = (before[table], after[table])
        if level != "customers" and any(map(len, held)):
            comparable = ~pl.col("customer_id").is_in(pl.concat(held).implode())
            frames = (frames[0].filter(comparable), frames[1].filter(comparable))
        if not quantities:
            frames = (
                frames[0].drop(cs.ends_with(NANOHOURS)),
                frames[1].drop(cs.ends_with(NANOHOURS)),
            )
        changed[level] = _changed(level, *frames)
    return changed


def _changed(level: str, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    _, _, key, name = LEVELS[level]
    compared = [c for c in before.columns if c not in key and c not in _LOCATION]
    both = before.select(*key, *compared, pl.lit(value=True).alias("exists")).join(
        after.select(*key, *compared, pl.lit(value=True).alias("exists")),
        on=key,
        how="full",
        coalesce=True,
        suffix=" after",
        validate="1:1",
    )
    changed = both.filter(
        pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c} after")) for c in [*compared, "exists"])
    )
    totals = [c for c in compared if c.endswith(f"total{_PRICES}")]
    rows = changed.select(
        *key,
        _name(name, key),
        _sum(totals, "exists", "").alias("before"),
        _sum(totals, "exists after", " after").alias("after"),
        _differences(compared, name).alias("what"),
    ).with_columns(delta=_delta())
    return rows.sort(pl.col("delta").abs(), *key, descending=[True, *(False for _ in key)])


def _name(name: str | None, key: tuple[str, ...]) -> pl.Expr:
    if name is None:
        return pl.col(key[-1]).alias("name")
    return pl.coalesce(f"{name} after", name).alias("name")


def _sum(columns: list[str], exists: str, suffix: str) -> pl.Expr:
    """The total; a customer's is the sum of two columns, each below 2^63. Null if it is held."""
    total = pl.sum_horizontal(pl.col(f"{c}{suffix}").cast(pl.Int128) for c in columns)
    return pl.when(pl.col(exists) & pl.col(f"{columns[0]}{suffix}").is_not_null()).then(total)


def _delta() -> pl.Expr:
    """The difference of totals: none where one of them is held, for it is not known."""
    known = ~pl.col("what").list.get(0, null_on_oob=True).is_in([NOW_HELD, NO_LONGER_HELD])
    delta = pl.col("after").fill_null(0) - pl.col("before").fill_null(0)
    return pl.when(known.fill_null(value=True)).then(delta).otherwise(pl.lit(0, pl.Int128))


def _differences(compared: list[str], name: str | None) -> pl.Expr:
    """The names of the prices that differ, `name` and `usage`.

    Else one word for the whole row: `new`, `gone`, or of a customer `held` or `no longer held`.
    """

    def where(columns: list[str], word: Callable[[str], str]) -> list[pl.Expr]:
        return [
            pl.when(pl.col(c).ne_missing(pl.col(f"{c} after"))).then(pl.lit(word(c)))
            for c in columns
        ]

    prices = [c for c in compared if c.endswith(_PRICES) and not c.endswith(f"total{_PRICES}")]
    usage = [c for c in compared if c.endswith(_USAGE)]
    words = [
        *where(prices, lambda c: c.removesuffix(_PRICES).replace("_", " ")),
        *where([name] if name else [], lambda _: "name"),
        *where(usage, lambda _: "usage"),
    ]
    differ = pl.concat_list(words).list.drop_nulls().list.unique(maintain_order=True)
    added, removed = pl.col("exists").is_null(), pl.col("exists after").is_null()
    # Only held customers have no prices.
    now_held = ~removed & pl.col(f"{prices[0]} after").is_null()
    no_longer_held = ~added & pl.col(prices[0]).is_null()
    return (
        pl.when(now_held)
        .then(pl.concat_list(pl.lit(NOW_HELD)))
        .when(no_longer_held & ~removed)
        .then(pl.concat_list(pl.lit(NO_LONGER_HELD)))
        .when(added)
        .then(pl.concat_list(pl.lit("new")))
        .when(removed)
        .then(pl.concat_list(pl.lit("gone")))
        .otherwise(differ)
    )


def _causes(home: Home, hour: Hour, before: dict[str, Any], after: dict[str, Any]) -> Causes:
    had, have = set(before["batches"]), set(after["batches"])
    old, new = (
        {rate.id: rate for rate in read_rates_snapshot(home, inputs["rates"], hour)}
        if before["rates"] != after["rates"]
        else {}
        for inputs in (before, after)
    )
    return Causes(
        batches_added=tuple(sorted(have - had)),
        batches_removed=tuple(sorted(had - have)),
        rates=tuple(
            (id_, old.get(id_), new.get(id_))
            for id_ in sorted(old.keys() | new.keys())
            if old.get(id_) != new.get(id_)
        ),
        build=(int(before["build"]), int(after["build"])),
    )
