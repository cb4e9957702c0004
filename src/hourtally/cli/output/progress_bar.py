"""A progress bar on standard error, shown only on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from hourtally.model.printable import escaped
from hourtally.runtime.progress import Progress

# Hours take milliseconds to minutes: the rate is that of so many seconds.
_RATE_OVER_SECONDS = 300.0


@contextlib.contextmanager
def shown(what: str, unit: str) -> Iterator[Progress | None]:
    """A function to be called with done, of how much, and of which; None where nobody looks.

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
        # Bytes are counted a file, so each has its bar; hours are counted all together.
        tasks: dict[str, TaskID] = {}
        if unit != "bytes":
            tasks[""] = bar.add_task(what, total=None)

        def advance(done: int, total: int, of: str) -> None:
            name = of if unit == "bytes" else ""
            if name not in tasks:
                tasks[name] = bar.add_task(what, total=total)
            text = f"{what} {escaped(of)}".replace("[", r"\[")
            bar.update(tasks[name], completed=done, total=total, description=text)
            if done >= total and unit == "bytes":
                bar.remove_task(tasks.pop(name))

        yield advance


def _rate(a_second: float | None, unit: str) -> str:
    """How fast it goes, in numbers that are easily read."""
    if not a_second:
        return ""
    if a_second >= 1:
        return f"{a_second:.1f} {unit}/s"
    return f"{1 / a_second:.1f} s/{unit.removesuffix('s')}"
