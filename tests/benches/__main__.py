"""The benchmark: `make bench`, or `python -m tests.benches` with options.

Example: python -m tests.benches --scale 0.05 --runs 1 --only build --only ingest
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.benches import report
from tests.benches.bench import ROOT, Bench, backfill, hourtally, usual
from tests.benches.lines import LINES, growth
from tests.benches.measure import CommandFailed

CORES = 2
DISK_BYTES = 15 * 10**9
GROWTH = "growth"


def main() -> int:
    """Measure, print, and write the page where everything was measured; the exit status."""
    options = _options()
    console = Console(stderr=True, highlight=False)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory(prefix="hourtally-bench-") as temporary:
        folder = (options.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < DISK_BYTES * min(options.scale, 1):
            console.print(f"{folder} has {free / 1e9:.0f} GB free; 15 GB are needed at scale 1")
            return 1
        bench = Bench(
            folder,
            options.runs,
            options.scale,
            say=lambda text: console.print(text, soft_wrap=True, markup=False),
        )
        bench.scratch.mkdir(exist_ok=True)
        try:
            tables = _measured(bench, options.only or [*LINES, GROWTH])
        except CommandFailed as failure:
            console.print(str(failure), markup=False)
            return 1
        finally:
            shutil.rmtree(bench.scratch)
    report.show(tables)
    whole = not options.only and options.scale == 1
    page = options.report or (ROOT / "docs/benchmarks.md" if whole else None)
    if page:
        report.write(page, tables, options.runs, options.scale)
    return 0


def _measured(bench: Bench, chosen: list[str]) -> list[tuple[str, report.Table]]:
    # Once through everything, so that no run that counts compiles Python.
    home = bench.home(usual(1_000))
    bench.do(*backfill(home))
    bench.do(*hourtally("--help"))
    rows = [row for name, line in LINES.items() if name in chosen for row in line(bench)]
    tables = []
    if rows:
        tables.append(("Bounds", report.bounds_table(rows)))
        tables.append(("Commands", report.commands_table(bench.measured)))
    if GROWTH in chosen:
        tables.append(("Growth of a build", report.growth_table(growth(bench))))
    return tables


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benches",
        description="Measure hourtally beside its yardsticks. A whole run at scale 1 takes about "
        "an hour and 15 GB of disk, and is written to docs/benchmarks.md.",
    )
    parser.add_argument("--runs", type=int, default=5, help="of each command; default: 5")
    parser.add_argument("--scale", type=float, default=1, help="size of the inputs; default: 1")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*LINES, GROWTH],
        help="a line, may be repeated; default: all",
    )
    parser.add_argument("--keep", type=Path, help="folder in which the inputs stay, for later runs")
    parser.add_argument("--report", type=Path, help="a file to write the page to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
