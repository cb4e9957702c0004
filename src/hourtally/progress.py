"""Progress of what takes longer than a second: on standard error, and only on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from hourtally.visible import escaped


@contextlib.contextmanager
def shown(what: str, unit: str) -> Iterator[Callable[[int, int, str], None] | None]:
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
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def advance(done: int, total: int, of: str) -> None:
            # Bytes are counted a file, so each has its bar; hours are counted all together.
            name = of if unit == "bytes" else ""
            if name not in tasks:
                tasks[name] = bar.add_task(what, total=total)
            text = f"{what} {escaped(of)}".replace("[", r"\[")
            bar.update(tasks[name], completed=done, total=total, description=text)
            if done >= total and unit == "bytes":
                bar.remove_task(tasks.pop(name))

        yield advance
