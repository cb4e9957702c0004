"""The answer to a question over a range: sums, and what they leave out.

Hours of different currencies are never added up. Published hours in which a customer is held are
in no sum of that customer; hours that are not published are in none.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from hourtally.model.components import BYOC_HOURS, BYOC_PRICES, PAAS_HOURS, PAAS_PRICES
from hourtally.model.hours import Hour
from hourtally.model.schemas import (
    CHARGES,
    CUSTOMERS,
    NANOHOURS,
    PROJECTS,
    TEAMS,
    TYPES,
    Schema,
)
from hourtally.published.listing.coverage import Missing, missing_hours
from hourtally.published.listing.question import Question
from hourtally.published.listing.revisions import ReadManifest, Revision, revision_chunks
from hourtally.published.listing.sums import (
    HOUR_NUMBER,
    HOURS,
    PERIOD,
    Shape,
    Sums,
    numbered_rows,
)
from hourtally.published.reader import published_hours
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest

_CUSTOMERS: Final = "customers"
_SCHEMAS: Final[dict[str, Schema]] = {
    _CUSTOMERS: CUSTOMERS,
    "teams": TEAMS,
    "projects": PROJECTS,
    "types": TYPES,
    "charges": CHARGES,
}
_PAAS: Final = (
    *(f"{name}_nanocents" for name in PAAS_PRICES),
    *(f"{name}_nanohours" for name in PAAS_HOURS),
)
_BYOC: Final = (
    *(f"{name}_nanocents" for name in BYOC_PRICES),
    *(f"{name}_nanohours" for name in BYOC_HOURS),
)
PAAS_COLUMNS: Final = tuple(f"paas_{name}" for name in _PAAS)
BYOC_COLUMNS: Final = tuple(f"byoc_{name}" for name in _BYOC)
TOTAL: Final = "total_nanocents"


@dataclass(frozen=True)
class Listing:
    """Sums over the published hours of a range.

    Attributes:
        question: what was asked.
        rows: newest period first, then by total. Columns: `period` (its name), `currency`, the ids
            of the level, `name` where the level has names, `hours` (in how many there was usage),
            without a level also `published` (how many hours the period has), `total_nanocents`,
            `PAAS_COLUMNS` and, unless they stand apart, `BYOC_COLUMNS`; prices of components only
            where they are asked for. Quantities are null where an hour's build did not report them.
        byoc: the BYOC sums that no row has, by period and currency: `BYOC_COLUMNS`.
        published: the published hours of the range, in order.
        held: by customer, the published hours in which it is held.
        missing: the hours of the range that are not published.
        unreported: the published hours whose build did not report quantities.
    """

    question: Question
    rows: pl.DataFrame
    byoc: pl.DataFrame
    published: list[Hour]
    held: dict[str, list[Hour]]
    missing: Missing | None
    unreported: list[Hour]


@dataclass
class _Periods:
    """The periods of a range, numbered in the order of hours; published hours in each."""

    question: Question
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    published: Counter[int] = field(default_factory=Counter)

    def of(self, chunk: Sequence[Revision]) -> list[int]:
        """The number of the period of each revision."""
        found = []
        for one in chunk:
            key = (self.question.period(one.hour.name), one.currency)
            found.append(self.numbers.setdefault(key, len(self.numbers)))
        self.published.update(found)
        return found

    def named(self, sums: pl.DataFrame) -> pl.DataFrame:
        """Sums with the name of their period and its currency in place of its number."""
        names = pl.DataFrame(
            [(number, *key) for key, number in self.numbers.items()],
            schema={"number": pl.Int64, PERIOD: pl.String, "currency": pl.String},
            orient="row",
        )
        return names.join(
            sums.rename({PERIOD: "number"}), on="number", how="inner", validate="1:m"
        ).drop("number")


def list_range(home: Home, question: Question, read: ReadManifest = current_manifest) -> Listing:
    """The answer to a question. `read` finds the newest manifest of an hour.

    Raises:
        Damaged: a manifest or a table of an hour differs from its record.
    """
    table = question.table
    main = Sums(_shape(question))
    byoc = Sums(_byoc_shape(question))
    periods = _Periods(question)
    held: defaultdict[str, list[Hour]] = defaultdict(list)
    published: list[Hour] = []
    unreported: list[Hour] = []
    hours = published_hours(home, question.hours.first, question.hours.end)
    tables = [_CUSTOMERS, *([table.table] if table else [])]
    for chunk in revision_chunks(home, hours, tables, read):
        numbers = periods.of(chunk)
        main.add(chunk, numbers)
        if table is not None:
            byoc.add(chunk, numbers)
        for customer, hour, number in _held(chunk, numbers, question.customer):
            held[customer].append(hour)
            if question.customer is not None:
                periods.published[number] -= 1
        published += [one.hour for one in chunk]
        unreported += [one.hour for one in chunk if not one.has_quantities]
    return Listing(
        question=question,
        rows=_rows(question, periods, main.total()),
        byoc=_apart(periods, byoc.total()),
        published=published,
        held=dict(sorted(held.items())),
        missing=missing_hours(home, question.hours, published),
        unreported=unreported,
    )


def _shape(question: Question) -> Shape:
    equal = dict(question.filters)
    if question.customer is not None:
        equal["customer_id"] = question.customer
    table = question.table
    if table is None:
        return Shape(
            table=_CUSTOMERS,
            schema=CUSTOMERS,
            equal=equal,
            key=question.key,
            name=None,
            numbers=tuple(
                name for name in (*PAAS_COLUMNS, *BYOC_COLUMNS) if _is_asked_for(question, name)
            ),
            is_row_key=bool(question.key) or question.customer is not None,
            unheld=True,
        )
    return Shape(
        table=table.table,
        schema=_SCHEMAS[table.table],
        equal=equal,
        key=question.key,
        # A question of teams that filters by type is answered from the table of types.
        name=table.name if question.key == table.key else None,
        numbers=_PAAS,
        is_row_key=question.key == table.key,
    )


def _is_asked_for(question: Question, name: str) -> bool:
    """Whether a question is also of this column of `customers`."""
    if name.endswith(NANOHOURS):
        return question.quantities
    return question.components or name.endswith(f"_{TOTAL}")


def _byoc_shape(question: Question) -> Shape:
    equal = {} if question.customer is None else {"customer_id": question.customer}
    return Shape(
        table=_CUSTOMERS,
        schema=CUSTOMERS,
        equal=equal,
        key=(),
        name=None,
        numbers=BYOC_COLUMNS,
        is_row_key=False,
        unheld=True,
    )


def _held(
    chunk: Sequence[Revision], numbers: Sequence[int], customer: str | None
) -> list[tuple[str, Hour, int]]:
    """Who is held in which hour, and the number of its period."""
    holding = [(one, n) for one, n in zip(chunk, numbers, strict=True) if one.held_customers]
    if not holding:
        return []
    rows = (
        numbered_rows([one for one, _ in holding], _CUSTOMERS, CUSTOMERS)
        .filter(pl.col("held"))
        .select("customer_id", HOUR_NUMBER)
        .collect()
    )
    return [
        (one, holding[number][0].hour, holding[number][1])
        for one, number in rows.iter_rows()
        if customer in {None, one}
    ]


def _rows(question: Question, periods: _Periods, sums: pl.DataFrame) -> pl.DataFrame:
    found = periods.named(sums)
    if question.table is not None:
        found = found.rename(dict(zip(_PAAS, PAAS_COLUMNS, strict=True)))
    if question.by is None:
        found = _with_idle_periods(periods, found)
    totals = [name for name in found.columns if name.endswith(f"_{TOTAL}")]
    found = found.with_columns(pl.sum_horizontal(totals).cast(pl.Int128).alias(TOTAL))
    name = question.table.name if question.table else None
    if name is not None and name in found.columns:
        found = found.rename({name: "name"})
    order = [PERIOD, TOTAL, "currency", *question.key]
    down = [True, True, *(False for _ in order[2:])]
    return found.sort(order, descending=down)


def _with_idle_periods(periods: _Periods, found: pl.DataFrame) -> pl.DataFrame:
    """A row for every period with published hours, also where there was no usage."""
    counts = periods.named(
        pl.DataFrame(
            [(number, hours) for number, hours in sorted(periods.published.items()) if hours],
            schema={PERIOD: pl.Int64, "published": pl.Int64},
            orient="row",
        )
    )
    joined = counts.join(found, on=[PERIOD, "currency"], how="left", validate="1:1")
    numbers = [name for name in found.columns if name not in {PERIOD, "currency", HOURS}]
    idle = pl.col(HOURS).is_null()
    return joined.with_columns(
        *(
            pl.when(idle).then(pl.lit(0, pl.Int128)).otherwise(pl.col(name)).alias(name)
            for name in numbers
        ),
        pl.col(HOURS).fill_null(0),
    )


def _apart(periods: _Periods, sums: pl.DataFrame) -> pl.DataFrame:
    """BYOC by period where there is any; the newest first."""
    some = sums.filter(pl.any_horizontal(pl.col(name) != 0 for name in BYOC_COLUMNS))
    return periods.named(some).sort(PERIOD, "currency", descending=[True, False])
