"""What a flow run shows in Prefect: artifacts. That they cannot be shown stops nothing.

- `<job>-progress`, a progress bar, of the hours to be built;
- `<job>`, Markdown: the story of the run, with all that could not be done;
- `<job>-hours`, a table: sums, then one row an hour, or one a day where they are very many;
- `hourtally-<day>`, a table: where each hour of that day is published, as of the last build of one.

A key has a page of its own, with the newest artifact of that key and all before it. A key for
each day, and not for each hour, because a year of hours would be 8,760 keys in one list, and
an artifact takes 26 ms: a tenth of the time of an hour of 20,000 events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from hourtally.build.builder import BuildReport
from hourtally.errors import HourtallyError
from hourtally.jobs.report import JobReport
from hourtally.orchestration.server import server_answers
from hourtally.orchestration.summary import day_rows, hour_rows, summary_of
from hourtally.store.layout import Home

# What a request to a server that is away, restarting or full ends with.
_NOT_SHOWN: Final = (httpx.HTTPError, PrefectException)
_gone_away: Final = threading.Event()


@dataclass
class ProgressArtifact:
    """The progress artifact of a run."""

    key: str
    artifact: UUID | None = None

    def begin(self, total: int) -> None:
        """Show that nothing of so many hours is done yet."""
        text = f"{total} hours to build" if total else "no closed hour is stale"
        self.artifact = _shown(
            lambda: create_progress_artifact(0.0 if total else 100.0, self.key, text)
        )

    def show(self, done: int, total: int, hour: str | None) -> None:
        """Show how many hours are done, and which of them last, if any is."""
        text = f"{done} of {total} hours" + (f", {hour} done last" if hour else "")
        artifact = self.artifact
        if artifact is not None:
            _shown(lambda: update_progress_artifact(artifact, 100 * done / total, text))


def show_days(home: Home, built: BuildReport) -> None:
    """Show anew where the hours of each day are published of which one was built."""
    for day in sorted({receipt.hour[:10] for receipt in built.built}):
        _show_table(
            f"hourtally-{day}", day_rows(home, day), f"The published hours of {day} in {home.root}."
        )


def show_report(key: str, report: JobReport, ended_by: HourtallyError | None = None) -> None:
    """Show what a run did, and what ended it before its end."""
    text = summary_of(report, ended_by)
    _shown(lambda: create_markdown_artifact(text, key))
    _show_table(f"{key}-hours", hour_rows(report), text.split("\n", 1)[0])


def _show_table(key: str, rows: list[dict[str, Any]], text: str) -> None:
    _shown(lambda: create_table_artifact(rows, key, text))


def _shown(show: Callable[[], Any]) -> Any:
    # A request waits a while for a server that comes back; those after it do not, each anew.
    if _gone_away.is_set() and not server_answers():
        return None
    _gone_away.clear()
    try:
        return show()
    except _NOT_SHOWN as error:
        _gone_away.set()
        get_run_logger().warning("an artifact could not be shown: %s", error)
        return None
