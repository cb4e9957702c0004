"""The commands that write into a home, and the home each one starts from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from hourtally.cli.jobs import FAILED
from hourtally.published.export import export_hours
from hourtally.store.layout import Home
from hourtally.verify import verify_hours
from tests.support.command_line import NOW, hourtally
from tests.torture.faults.system_calls import Call, traced_calls
from tests.torture.faults.two_hours import (
    HOURS,
    RANGE,
    SETTINGS,
    add_late_file,
    documents_by_customer,
    fresh_home,
    normalized_files,
    run,
)

# What is to be done; of an event file that cannot be read to its end, what has become of it.
ADVICE: Final = ("again", "put a card there", "rejected, none of its events count")
NEITHER: Final = "is neither as before nor as after"


class Job(NamedTuple):
    """A command, and whether its home already has the first file built."""

    command: tuple[str, ...]
    built: bool


JOBS: Final = {
    "ingest": Job(("ingest", "{home}/inbox/late.ndjson", "--home", "{home}", "--now", NOW), True),
    "backfill": Job(("backfill", *RANGE, "--home", "{home}", "--now", NOW), True),
    "withdraw": Job(
        ("withdraw", "{home}/inbox/late.ndjson", "--reason", "x", "--home", "{home}", "--now", NOW),
        True,
    ),
    "again": Job(
        ("ingest", "--again", "{home}/inbox/late.ndjson", "--home", "{home}", "--now", NOW), True
    ),
    "prune": Job(("prune", "--keep", "1", "--home", "{home}", "--now", NOW), True),
    "run": Job(("run", "--home", "{home}", "--now", NOW, "--export", "{home}/tree"), False),
}


def prepared(folder: Path, name: str) -> Home:
    """The home before a job."""
    home = fresh_home(folder)
    if JOBS[name].built:
        assert run(home) == []
        export_hours(home, home.root / "tree", HOURS)
    add_late_file(home)
    late, common = home.inbox / "late.ndjson", ("--home", home.root, "--now", NOW)
    if name == "prune":
        assert run(home) == []
    if name in {"backfill", "withdraw", "again"}:
        assert hourtally("ingest", late, *common).returncode == 3
    if name == "again":
        assert hourtally("withdraw", late, "--reason", "x", *common).returncode == 0
    return home


def sampled(calls: Sequence[Call], number: int) -> Sequence[Call]:
    """This many of the calls, evenly spaced from the first to the last."""
    step = max(1, (len(calls) - 1) // (number - 1))
    return [*calls[::step][: number - 1], calls[-1]]


def worth_failing(calls: Sequence[Call]) -> Sequence[Call]:
    """Every call, except most of the writes that only extend an unpublished file."""
    return [
        call for call in calls if call.name != "write" or call.number < 4 or not call.number % 16
    ]


class Trial:
    """A job run again and again, each time with another fault.

    Attributes:
        home: the job runs in it.
        command: its arguments.
        calls: system calls of the given names that the undisturbed job makes.
        old: documents before the undisturbed job.
        new: documents after it.
    """

    def __init__(self, folder: Path, name: str, names: frozenset[str] = frozenset()) -> None:
        self._before = prepared(folder / "before", name)
        self.home = Home(folder / "home")
        self.command = [word.format(home=self.home.root) for word in JOBS[name].command]
        self.start_over()
        self.old = {hour: documents_by_customer(self.home, hour) for hour in HOURS}
        self.calls = traced_calls(self.home.root, names, *self.command) if names else []
        if not names:
            assert hourtally(*self.command).returncode in {0, 3}
        self.new = {hour: documents_by_customer(self.home, hour) for hour in HOURS}
        self._done = normalized_files(self.home)

    def start_over(self) -> None:
        """Restore the home to its state before the job."""
        # A home that is a mount point cannot itself be removed.
        shutil.rmtree(self.home.root, ignore_errors=True)
        shutil.copytree(self._before.root, self.home.root, dirs_exist_ok=True)

    def problems(self) -> Iterator[str]:
        """Whatever readers must not see."""
        for hour in HOURS:
            if documents_by_customer(self.home, hour) not in (self.old[hour], self.new[hour]):
                yield f"{hour} {NEITHER}"
        findings = verify_hours(self.home, HOURS, SETTINGS)
        yield from map(str, findings.listed)

    def problems_after_failure(self, end: subprocess.CompletedProcess[str]) -> Iterator[str]:
        """What is wrong after a fault, and after a rerun without one."""
        if end.returncode in {0, 3}:
            # The caller retried the call, or did not need it.
            if self.differences():
                yield f"it says nothing, but {self.differences()} differ"
            return
        if end.returncode != FAILED or "Traceback" in end.stderr:
            yield f"it ends with {end.returncode}: {end.stderr[-600:]}"
        elif str(self.home.root) not in end.stderr or not any(a in end.stderr for a in ADVICE):
            yield f"it says {end.stderr}"
        # An event file that could not be read does not keep the others from being built.
        partly = "rejected, none of its events count" in end.stderr
        yield from (wrong for wrong in self.problems() if not (partly and NEITHER in wrong))
        rerun = hourtally(*self.command)
        if rerun.returncode not in {0, 3}:
            yield f"a rerun says {rerun.stderr}"
        if partly and {hour: documents_by_customer(self.home, hour) for hour in HOURS} != self.new:
            yield "a rerun does not restate what lacked a file"
        elif not partly and self.differences():
            yield f"a rerun leaves {self.differences()}"

    def differences(self) -> list[str]:
        """Files that differ from those of the undisturbed job."""
        drop_leftover_links(self.home)
        held = normalized_files(self.home)
        return sorted(name for name, _ in held.items() ^ self._done.items())


def drop_leftover_links(home: Home) -> None:
    """Remove leftover hard links to manifests, as the next build would."""
    for path in list(home.hours.glob("*/.*.tmp")):
        if any(path.samefile(manifest) for manifest in path.parent.glob("*.json")):
            path.unlink()
