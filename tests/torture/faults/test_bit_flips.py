"""One flipped bit anywhere under the home is found and named, and never yields a wrong number.

Files that people write, the rate card and the inbox, are left alone: they are the input.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from hourtally.build.batch_summary import summarize_batches
from hourtally.build.builder import Builder
from hourtally.build.staleness import FORCED, StaleHour
from hourtally.build.status import hour_spans
from hourtally.errors import Damaged, HourtallyError
from hourtally.model.hours import Hour
from hourtally.published.diff import changes_between
from hourtally.published.explain import explain
from hourtally.published.listing import Question, list_range
from hourtally.published.reader import find_document
from hourtally.store.durable import read_sealed_json
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest, read_manifest
from hourtally.verify import verify_hours
from tests.support.command_line import NOW, hourtally
from tests.support.homes.small_home import many_small_builds
from tests.torture.faults.two_hours import (
    CUSTOMERS,
    HOURS,
    NOW_MS,
    RANGE,
    SETTINGS,
    SETTLE_MS,
    add_late_file,
    card_of,
    clear_reader_cache,
    copy_home,
    documents_by_customer,
    fresh_home,
    run,
    write_events,
)

log = logging.getLogger(__name__)

pytestmark = pytest.mark.slow

RESOURCES: Final = (("acme", "job"), ("globex", "k1"), ("initech", "x"))


class Flip(NamedTuple):
    """One bit of a file, whose path is relative to the home."""

    file: str
    offset: int
    bit: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two hours with two revisions each, and a batch of which every line is quarantined."""
    home = fresh_home(tmp_path_factory.mktemp("whole") / "home")
    assert run(home) == []
    add_late_file(home)
    write_events(home.inbox / "wrong.ndjson", [{"specversion": "1.0"}])
    assert run(home) == []
    for note in (home.root / ".inbox").iterdir():
        # As if the files had been there for a while before they were noted.
        later_ns = note.stat().st_mtime_ns + 60_000_000_000
        os.utime(note, ns=(later_ns, later_ns))
    return home


def event_file_names(home: Home) -> list[str]:
    """The files under a home that the program wrote."""
    paths = (path for path in sorted(home.root.rglob("*")) if path.is_file())
    by_people = (home.rates, *home.inbox.iterdir())
    return [str(path.relative_to(home.root)) for path in paths if path not in by_people]


def drawn(home: Home, number: int, seed: int) -> list[Flip]:
    """Random flips, as many in a small file as in a large one, and some in every file."""
    chance = random.Random(seed)
    files = event_file_names(home)
    chance.shuffle(files)
    return [
        Flip(file, chance.randrange((home.root / file).stat().st_size), chance.randrange(8))
        for file in (files * (number // len(files) + 1))[:number]
    ]


def flip(home: Home, one: Flip) -> bytes:
    """Damage the file and return its content before that."""
    path = home.root / one.file
    before = path.read_bytes()
    damaged = bytearray(before)
    damaged[one.offset] ^= 1 << one.bit
    path.write_bytes(damaged)
    return before


def is_sealed(path: Path) -> bool:
    """Whether the file is JSON whose digest matches its content."""
    try:
        read_sealed_json(path)
    except Damaged:
        return False
    return True


def files_in(home: Home) -> dict[Path, bytes]:
    """Every file under a home."""
    return {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}


def restore(home: Home, kept: dict[Path, bytes]) -> None:
    """Restore a home, without touching unchanged files."""
    for path, content in files_in(home).items():
        if path not in kept:
            path.unlink()
        elif content != kept[path]:
            path.write_bytes(kept[path])
    for path in sorted(home.hours.glob("*/rev-*")):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def affected_hours(file: str) -> Sequence[Hour]:
    """The hours that a file affects."""
    return [hour for hour in HOURS if hour.name in file] or HOURS


def readings(home: Home, hours: Sequence[Hour]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything a home can be asked, with the question's name."""
    for hour in hours:
        for customer in CUSTOMERS:
            document = partial(find_document, home, hour, customer)
            times = {"now_ms": NOW_MS, "settle_ms": SETTLE_MS}
            yield f"show {hour} {customer}", partial(document, **times)
        for customer, resource in RESOURCES:
            yield (
                f"explain {hour} {customer} {resource}",
                partial(_explain, home, hour, customer, resource),
            )
        yield f"diff {hour}", partial(_diff, home, hour)
    for customer in CUSTOMERS:
        yield f"list {customer}", partial(_list, home, Question(customer, granularity="hour"))
    yield "list by resource", partial(_list, home, Question(by="resource"))
    yield "status", partial(_status, home)
    yield "batches", partial(summarize_batches, home, NOW_MS)


def _list(home: Home, question: Question) -> Any:
    found = list_range(home, question)
    return found.rows.to_dicts(), found.byoc.to_dicts(), found.held, found.missing


def _explain(home: Home, hour: Hour, customer: str, resource: str) -> Any:
    return explain(home, _newest(home, hour), customer, resource)


def _status(home: Home) -> Any:
    return list(hour_spans(home, card_of(home), NOW_MS, SETTLE_MS))


def _newest(home: Home, hour: Hour) -> Any:
    manifest = current_manifest(home, hour)
    assert manifest is not None
    return manifest


def _diff(home: Home, hour: Hour) -> Any:
    newest = _newest(home, hour)
    changes = changes_between(home, read_manifest(home, hour, newest.record["parent"]), newest)
    return changes.causes, changes.total, {k: v.rows() for k, v in changes.levels.items()}


def ask(home: Home, hours: Sequence[Hour]) -> tuple[dict[str, Any], list[str]]:
    """What a home documents_by_customer, and what it cannot answer and why."""
    clear_reader_cache()
    answered, refused = {}, []
    for name, reading in readings(home, hours):
        try:
            answered[name] = reading()
        except HourtallyError as error:
            refused.append(str(error))
    return answered, refused


def verify(home: Home, hours: Sequence[Hour]) -> list[str]:
    try:
        findings = verify_hours(home, hours, SETTINGS)
    except HourtallyError as error:
        return [str(error)]
    assert findings.differences == 0 or findings.listed
    return [str(difference) for difference in findings.listed]


def build(home: Home, hours: Sequence[Hour]) -> list[str]:
    """Run the job, then force-build the hours; return the errors."""
    errors = [str(error) for error in run(home)]
    forced = [StaleHour(hour, (FORCED,)) for hour in hours]
    report = Builder(home, card_of(home), NOW_MS, SETTINGS, force=True).build(forced)
    return errors + [str(error) for _, error in report.failed]


def problems_after(home: Home, one: Flip, truth: dict[str, Any]) -> list[str]:
    """What is wrong after a flip."""
    path = home.root / one.file
    before = flip(home, one)
    hours = affected_hours(one.file)
    answered, refused = ask(home, hours)
    # Only the home's status may change: it may say that an hour is damaged.
    states = {"status", "batches"}
    problems = [
        f"{name} documents_by_customer {answer!r:.500}"
        for name, answer in answered.items()
        if name not in states and answer != truth[name]
    ]
    if any(name in answered and answered[name] != truth[name] for name in states - {"batches"}):
        refused.append(f"{path.parent}: the state of the hour")
    found = [*refused, *verify(home, hours), *build(home, hours)]
    for hour in HOURS:
        clear_reader_cache()
        try:
            published = documents_by_customer(home, hour)
        except HourtallyError as error:
            found.append(str(error))
        else:
            told = {customer: truth[f"show {hour} {customer}"] for customer in CUSTOMERS}
            if published != told:
                problems.append(f"{hour} is published as {published!r:.500}")
    # A note of the inbox is written anew, with times of the inbox file that `restore` has changed.
    is_mended = path.read_bytes() == before or (".inbox" in one.file and is_sealed(path))
    if not any(str(path) in sentence for sentence in found) and not is_mended:
        problems.append(f"nothing found the damage and it was not mended; found: {found}")
    return [f"{one}: {wrong}" for wrong in problems]


def test_a_flipped_bit_is_found_and_never_yields_a_wrong_number(whole: Home, *, long: bool) -> None:
    truth, refused = ask(whole, HOURS)
    assert refused == []
    assert verify(whole, HOURS) == []
    problems = []
    kept = files_in(whole)
    flips = drawn(whole, 2_500 if long else 80, seed=20261122)
    # Without fsync, a home this small builds in milliseconds.
    with many_small_builds():
        for one in flips:
            problems += problems_after(whole, one, truth)
            restore(whole, kept)
    log.info("%d flips in %d files", len(flips), len({one.file for one in flips}))
    assert "\n".join(problems) == ""


def test_the_commands_name_the_damaged_file(whole: Home, tmp_path: Path, *, long: bool) -> None:
    show = ("show", "--customer", "acme", "--json", "--now", NOW)
    told = {hour: hourtally(*show, hour.name, "--home", whole.root).stdout for hour in HOURS}
    for one in drawn(whole, 120 if long else 4, seed=7):
        home = copy_home(whole, tmp_path / "home")
        flip(home, one)
        place = ("--home", home.root, "--now", NOW)
        for hour in HOURS:
            shown = hourtally(*show, hour.name, "--home", home.root)
            assert (shown.returncode, shown.stdout) in {(0, told[hour]), (1, "")}, one
        said = [shown.stderr]
        for command in (
            ("verify", "--home", home.root),
            ("run", *place),
            ("backfill", "--force", *RANGE, *place),
        ):
            done = hourtally(*command)
            # A copied home has its inbox read anew, and two of the files have a quarantined line.
            allowed = {0, 1, 3} if command[0] == "run" else {0, 1}
            assert done.returncode in allowed, (one, command, done.stderr)
            said += [done.stderr, done.stdout]
        named = any(str(home.root / one.file) in " ".join(text.split()) for text in said)
        assert named or one.file.startswith(".inbox/"), (one, said)
