"""A progress bar on standard error, shown only on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from hourtally.model.printable import printable
from hourtally.runtime.progress import Progress

# An hour takes milliseconds to minutes: the rate is averaged over so many seconds.
_RATE_OVER_SECONDS = 300.0


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Progress | None]:
    """Yields a function that advances the bar; None if standard error is no terminal.

    Args:
        what: what is going on, such as "building".
        unit: `bytes`, or what is counted, such as `hours`.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if unit == "bytes" else _rate(task.speed, unit))

    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), amount, RateColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=_RATE_OVER_SECONDS,
    ) as bar:
        # Bytes are counted per file, so each file has its bar; hours share one.
        tasks: dict[str, TaskID] = {}
        if unit != "bytes":
            tasks[""] = bar.add_task(what, total=None)

        def advance(done: int, total: int, of: str) -> None:
            name = of if unit == "bytes" else ""
            if name not in tasks:
                tasks[name] = bar.add_task(what, total=total)
            text = f"{what} {printable(of)}".replace("[", r"\[")
            bar.update(tasks[name], completed=done, total=total, description=text)
            if done >= total and unit == "bytes":
                bar.remove_task(tasks.pop(name))

        yield advance


def _rate(units_per_second: float | None, unit: str) -> str:
    """`2.5 hours/s`, or below one a second `4.0 s/hour`."""
    if not units_per_second:
        return ""
    if units_per_second >= 1:
        return f"{units_per_second:.1f} {unit}/s"
    return f"{1 / units_per_second:.1f} s/{unit.removesuffix('s')}"
