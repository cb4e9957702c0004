"""The benchmark: `make bench`, or `python -m tests.benches` with options.

Example: python -m tests.benches --scale 0.05 --runs 1 --only build --only ingest
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tests.benches import report
from tests.benches.bench import ROOT, Bench, backfill, hourtally, usual
from tests.benches.lines import LINES, growth, stages
from tests.benches.measure import CommandFailed, pace_seconds
from tests.benches.report import Growth, Row, Stage

CORES = 2
DISK_BYTES = 16 * 10**9
GROWTH = "growth"
STAGES = "stages"
ALL = [*LINES, GROWTH, STAGES]


def main() -> int:
    """Measure and print; write the page after a whole run. Returns the exit status."""
    options = _options()
    console = Console(stderr=True, highlight=False)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory(prefix="hourtally-bench-") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < DISK_BYTES * min(options.scale, 1):
            console.print(f"{folder} has {free / 1e9:.0f} GB free; 16 GB are needed at scale 1")
            return 1
        bench = Bench(
            folder,
            options.runs,
            options.scale,
            say=lambda text: console.print(text, soft_wrap=True, markup=False),
        )
        bench.scratch.mkdir(exist_ok=True)
        try:
            return _measure(bench, options)
        except KeyboardInterrupt:
            console.print("Interrupted. Results so far are above.")
            return 130
        finally:
            shutil.rmtree(bench.scratch)


def _measure(bench: Bench, options: argparse.Namespace) -> int:
    """Measure benchmark by benchmark; the page is updated after each one."""
    # Run everything once, so that no measured run compiles Python.
    bench.do(*backfill(bench.home(usual(1_000))))
    bench.do(*hourtally("--help"))
    chosen = options.only or ALL
    whole = not options.only and options.scale == 1
    page = options.report or (ROOT / "docs/benchmarks.md" if whole else None)
    results = Results()
    for number, name in enumerate(chosen, 1):
        try:
            results.add(bench, name)
        except CommandFailed as failure:
            results.failed.append(f"{name} could not be measured: {failure}")
            bench.say(results.failed[-1])
        results.paces.append(pace_seconds())
        bench.say(f"{name} is done, {number} of {len(chosen)}")
        notes = [*results.notes(), *_missing(chosen[number:])]
        if page:
            report.write(page, results.tables(bench), notes, options.runs, options.scale)
    report.show(results.tables(bench))
    sys.stdout.write("\n".join(("", *notes, "")))
    return 1 if results.failed else 0


def _missing(names: list[str]) -> list[str]:
    return [f"The run was interrupted before: {', '.join(names)}."] if names else []


@dataclass
class Results:
    """Results so far, benchmarks that failed, and the machine's pace after each."""

    rows: list[Row] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    paces: list[float] = field(default_factory=list)

    def add(self, bench: Bench, name: str) -> None:
        """Run one more benchmark."""
        if name == GROWTH:
            self.growth = growth(bench)
        elif name == STAGES:
            self.stages = stages(bench)
        else:
            rows = LINES[name](bench)
            self.rows += rows
            report.show([(name, report.bounds_table(rows))])

    def tables(self, bench: Bench) -> list[tuple[str, report.Table]]:
        """The tables that have rows, with their titles."""
        return [
            (title, table)
            for title, table in (
                ("Bounds", report.bounds_table(self.rows)),
                ("Commands", report.commands_table(bench.measured)),
                ("Growth of a build", report.growth_table(self.growth)),
                ("Where the time goes: 1 M lines of NDJSON", report.stages_table(self.stages)),
            )
            if table.rows
        ]

    def notes(self) -> list[str]:
        """Sentences to add beside the tables."""
        verdict = [report.verdict(self.rows)] if self.rows else []
        return [report.pace(self.paces), *verdict, *self.failed]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benches",
        description="Measure hourtally against its yardsticks. A full run at scale 1 takes about "
        "an hour and 16 GB of disk, and is written to docs/benchmarks.md.",
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default: 5)")
    parser.add_argument("--scale", type=float, default=1, help="size of the inputs (default: 1)")
    parser.add_argument(
        "--only",
        action="append",
        choices=ALL,
        help="run only this benchmark; repeatable (default: all)",
    )
    parser.add_argument("--keep", type=Path, help="keep the inputs in this folder for later runs")
    parser.add_argument("--report", type=Path, help="write the page to this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
