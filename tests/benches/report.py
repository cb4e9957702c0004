"""The benchmark's tables, on the terminal and as Markdown."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from tests.benches.measure import LONG_RUNS, LONG_SECONDS, Measured

_PACKAGES = ("polars", "duckdb", "pyarrow")


@dataclass(frozen=True)
class Row:
    """One bound: met if ratio = measured / against is at most `limit`.

    against: a yardstick's result, or the bound itself if that is an absolute number.
    """

    line: str
    what: str
    measured: float
    against: float
    against_what: str
    limit: float
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Measured divided by what it is measured against."""
        return self.measured / self.against

    @property
    def met(self) -> bool:
        """Whether the bound holds."""
        return self.ratio <= self.limit


@dataclass(frozen=True)
class Growth:
    """One size in a series. factor: its size relative to the first."""

    what: str
    factor: float
    measured: Measured
    exponent: float | None


@dataclass(frozen=True)
class Stage:
    """The seconds of one stage of a command; the stage `whole` is all of it."""

    command: str
    stage: str
    seconds: float


@dataclass(frozen=True)
class Table:
    """Text in columns; a heading that starts with `<` marks a column of numbers."""

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        """The table in Markdown."""
        marks = ["---:" if heading.startswith("<") else "---" for heading in self.headings]
        names = [heading.removeprefix("<") for heading in self.headings]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, marks, *self.rows)) + "\n"

    def rich(self) -> RichTable:
        """The table for a terminal."""
        table = RichTable()
        for heading in self.headings:
            numbers = heading.startswith("<")
            table.add_column(heading.removeprefix("<"), justify="right" if numbers else "left")
        for cells in self.rows:
            table.add_row(*cells)
        return table


def bounds_table(rows: Sequence[Row]) -> Table:
    """One row a bound."""
    return Table(
        ("line", "what", "<measured", "against", "<ratio", "<bound", "met"),
        [
            (
                row.line,
                row.what,
                _quantity(row.measured, row.unit),
                f"{row.against_what} {_quantity(row.against, row.unit)}",
                f"{row.ratio:.2f}",
                f"{row.limit:g}",
                "yes" if row.met else "no",
            )
            for row in rows
        ],
    )


def verdict(rows: Sequence[Row]) -> str:
    """A sentence that names the missed bounds."""
    missed = [
        f"{row.line} ({row.what}: {row.ratio:.2f} {row.against_what.rstrip(':')}, bound "
        f"{row.limit:g})"
        for row in rows
        if not row.met
    ]
    if not missed:
        return f"All {len(rows)} measured bounds are met."
    return f"{len(missed)} of {len(rows)} bounds are missed: {'; '.join(missed)}."


def commands_table(commands: Sequence[Measured]) -> Table:
    """One row a command, as often as it was measured."""
    return Table(
        ("command", "<seconds", "<fastest", "<slowest", "<processor", "<peak memory"),
        [
            (
                one.name,
                f"{one.seconds:.2f}",
                *(f"{seconds:.2f}" for seconds in one.spread),
                f"{one.cpu_seconds:.2f}",
                f"{one.peak_gb:.2f} GB",
            )
            for one in commands
        ],
    )


def growth_table(rows: Sequence[Growth]) -> Table:
    """One row a size."""
    return Table(
        ("what grows", "<times", "<seconds", "<peak memory", "<exponent"),
        [
            (
                row.what,
                f"{row.factor:g}",
                f"{row.measured.seconds:.2f}",
                f"{row.measured.peak_gb:.2f} GB",
                "" if row.exponent is None else f"{row.exponent:.2f}",
            )
            for row in rows
        ],
    )


def stages_table(rows: Sequence[Stage]) -> Table:
    """One row a stage."""
    whole = {row.command: row.seconds for row in rows if row.stage == "whole"}
    return Table(
        ("command", "stage", "<seconds", "<share of the whole"),
        [
            (
                row.command,
                row.stage,
                f"{row.seconds:.2f}",
                f"{100 * row.seconds / whole[row.command]:.0f} %",
            )
            for row in rows
        ],
    )


def machine() -> str:
    """The machine and versions of a measurement."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores of which 2 are used at most, "
        f"{memory_gib:.0f} GiB of memory; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, {packages}"
    )


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1] for line in described.splitlines() if "model name" in line]
    return models[0].strip() if models else platform.machine()


def show(tables: Sequence[tuple[str, Table]]) -> None:
    """Print the tables, without wrapping if the output is a file or a pipe."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    for title, table in tables:
        console.print(f"\n{title}\n", table.rich(), markup=False)


def pace(seconds: Sequence[float]) -> str:
    """How fast the machine was, so that another day's run can be compared."""
    return (
        f"Between the measurements, plain Python counted to ten million in {min(seconds):.2f} to "
        f"{max(seconds):.2f} s: figures of a run with other times than these compare by their "
        "ratios only."
    )


def write(
    path: Path, tables: Sequence[tuple[str, Table]], notes: Sequence[str], runs: int, scale: float
) -> None:
    """Write the tables as a page of documentation, with machine, versions and date.

    notes: sentences of what the tables do not show, such as bounds that are missed.
    """
    today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 a report says when it was made
    scaled = "" if scale == 1 else f" At scale {scale:g}: the bounds are meant for scale 1."
    parts = [
        "# Benchmarks",
        "Generated by `make bench`. " + _ABOUT.strip(),
        f"{today}. {machine()}. Medians of {runs} runs, of {min(runs, LONG_RUNS)} where one "
        f"takes over {LONG_SECONDS} s.{scaled}",
        *notes,
        *(f"## {title}\n\n{table.markdown()}".rstrip() for title, table in tables),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n")


_ABOUT = """
Whole commands are measured as processes, start-up included, alternating with yardsticks that do
the same work on the same input: **(a)** the floor of a build: Polars reads every column of the
hour's slices and writes the documents' bytes to one file; **(b)** one plain DuckDB SQL script
that does the whole job of an hour, and whose documents are checked to be the same;
**(c)** the floor of an ingest: DuckDB's plain typed copy of NDJSON to Parquet. All of them use
2 cores. Events come from a seeded generator: per hour, 50 events of each resource and 10 resources
per customer, 2 % of them BYOC clusters. Memory is the peak of the largest process; GB are 10^9
bytes. The ratio is measured / against, and a bound is met if the ratio does not exceed it.
"""


def _quantity(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit == "ms" else f"{value:.2f} {unit}"
