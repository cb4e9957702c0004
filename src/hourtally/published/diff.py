"""What one revision of an hour says otherwise than another: at every level, and why.

The rows of two revisions are laid beside each other by their keys; a row that only one of them
has, or that differs in a price, a name or its usage, is a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from hourtally.errors import Damaged
from hourtally.model.hours import Hour
from hourtally.model.schemas import (
    CHARGES,
    CLUSTERS,
    CUSTOMERS,
    PROJECTS,
    RESOURCE_KEY,
    TEAMS,
    TYPES,
    Schema,
)
from hourtally.published.reader import read_table
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
_WHERE_IT_LIES: Final = ("offset", "length", "sha256")
_PRICES: Final = "_nanocents"
_USAGE: Final = "_ms"

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Causes:
    """Why two revisions differ: their inputs, beside each other.

    rates: those of an id that are not the same, by id; None where there is none before or after.
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
    """Two revisions beside each other.

    levels: by level the rows that changed, the largest change first; columns: the level's key,
    `name`, `before` and `after` (total in nanocents, null where there is no row) as 128-bit
    integers, `delta`, and `what`, a list of that which differs. total: before and after.
    """

    causes: Causes
    levels: dict[str, pl.DataFrame]
    total: tuple[int, int]

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return all(rows.is_empty() for rows in self.levels.values())


def changes_between(home: Home, before: Manifest, after: Manifest) -> Changes:
    """What `after` says otherwise than `before`, two revisions of one hour.

    Raises:
        Damaged: a file of a revision is not what its manifest says.
    """
    levels = {
        level: _changed(level, read_table(before, table, schema), read_table(after, table, schema))
        for level, (table, schema, _, _) in LEVELS.items()
    }
    totals = (int(before.record["totals"]["total"]), int(after.record["totals"]["total"]))
    return Changes(_causes(home, before.hour, before.inputs, after.inputs), levels, totals)


def summarize_changes(
    home: Home, before: Manifest, inputs: dict[str, Any], tables: Tables, total: int
) -> dict[str, Any]:
    """How many rows of each level a revision that is being built changes, as its manifest has it.

    A parent that cannot be read is no reason to keep a restatement from being published, which
    may be what mends it: then only that is said.
    """
    try:
        levels = {
            level: _changed(level, read_table(before, table, schema), tables[table])
            for level, (table, schema, _, _) in LEVELS.items()
        }
        causes = _causes(home, before.hour, before.inputs, inputs)
    except Damaged as damage:
        return {"unknown": str(damage)}
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


def _changed(level: str, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    _, _, key, name = LEVELS[level]
    told = [c for c in before.columns if c not in key and c not in _WHERE_IT_LIES]
    both = before.select(*key, *told, pl.lit(value=True).alias("there")).join(
        after.select(*key, *told, pl.lit(value=True).alias("there")),
        on=key,
        how="full",
        coalesce=True,
        suffix=" after",
        validate="1:1",
    )
    differing = both.filter(
        pl.any_horizontal(pl.col(c).ne_missing(pl.col(f"{c} after")) for c in [*told, "there"])
    )
    totals = [c for c in told if c.endswith(f"total{_PRICES}")]
    rows = differing.select(
        *key,
        _name(name, key),
        _sum(totals, "there", "").alias("before"),
        _sum(totals, "there after", " after").alias("after"),
        _what(told, name).alias("what"),
    ).with_columns(delta=pl.col("after").fill_null(0) - pl.col("before").fill_null(0))
    return rows.sort(pl.col("delta").abs(), *key, descending=[True, *(False for _ in key)])


def _name(name: str | None, key: tuple[str, ...]) -> pl.Expr:
    if name is None:
        return pl.col(key[-1]).alias("name")
    return pl.coalesce(f"{name} after", name).alias("name")


def _sum(columns: list[str], there: str, suffix: str) -> pl.Expr:
    """The total; a customer's is in two columns. The sum of two numbers below 2^63."""
    total = pl.sum_horizontal(pl.col(f"{c}{suffix}").cast(pl.Int128) for c in columns)
    return pl.when(pl.col(there)).then(total)


def _what(told: list[str], name: str | None) -> pl.Expr:
    """Which of prices, name and usage differ, where both have the row."""

    def where(columns: list[str], word: Callable[[str], str]) -> list[pl.Expr]:
        return [
            pl.when(pl.col(c).ne_missing(pl.col(f"{c} after"))).then(pl.lit(word(c)))
            for c in columns
        ]

    prices = [c for c in told if c.endswith(_PRICES) and not c.endswith(f"total{_PRICES}")]
    usage = [c for c in told if c.endswith(_USAGE)]
    words = [
        *where(prices, lambda c: c.removesuffix(_PRICES).replace("_", " ")),
        *where([name] if name else [], lambda _: "name"),
        *where(usage, lambda _: "usage"),
    ]
    differ = pl.concat_list(words).list.drop_nulls().list.unique(maintain_order=True)
    added, removed = pl.col("there").is_null(), pl.col("there after").is_null()
    return (
        pl.when(added)
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
