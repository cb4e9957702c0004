"""A backfill that is interrupted midway: what it prints, and the same command again."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from hourtally.build import grouping
from hourtally.build.builder import Builder
from hourtally.build.staleness import stale_hours
from hourtally.build.workers import build_with_workers
from hourtally.ingest.files import ingest_inbox
from hourtally.jobs.sample import FIRST_HOUR, NOW_MS, write_sample
from hourtally.model.hours import Hour, HourRange, format_instant, parse_instant_ms
from hourtally.orchestration import flow_steps
from hourtally.orchestration.artifacts import show_report
from hourtally.orchestration.flows import run_backfill
from hourtally.ratecard import load_rate_card
from hourtally.runtime.interrupts import (
    Stop,
    StopState,
    as_keyboard_interrupt,
    ended_by_abort,
    graceful_shutdown,
    raise_interrupt,
)
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.store.layout import Home
from tests.support.command_line import NOW, command, environment, hourtally
from tests.support.homes.five_day_home import HOURS, RANGE, home_of_long_event, ingested, manifests
from tests.support.prefect_server import PrefectServer, until

INTERRUPTED = re.compile(
    rf"hourtally: interrupted: (\d+) of {HOURS} hours built \(the last is (\S+)\); "
    r"(\d+) hours? left\. Run the same command again to continue\.$",
    re.MULTILINE,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return ingested(home_of_long_event(tmp_path))


def interrupted_backfill(
    home: Home,
    *options: str,
    by: signal.Signals = signal.SIGINT,
    environment: dict[str, str],
) -> tuple[int, str]:
    """Interrupt a backfill after some hours; its exit status and standard error."""
    with begun_backfill(home, *options, environment=environment) as process:
        process.send_signal(by)
        said = last_words(process)
    return process.returncode, said


@contextlib.contextmanager
def begun_backfill(
    home: Home, *options: str, environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A running backfill that has built some hours, in a process group of its own."""
    with subprocess.Popen(
        command("backfill", *RANGE, "--home", home.root, *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        process_group=0,
    ) as process:
        until("some hours are built", lambda: manifests(home)[1:])
        yield process


def last_words(process: subprocess.Popen[str]) -> str:
    """Its standard error, once it and all its child processes have exited."""
    assert process.stderr is not None
    said = process.stderr.read()
    process.wait()
    until("all its processes are gone", lambda: not group_of(process))
    assert "Traceback" not in said, said
    return said


def group_of(process: subprocess.Popen[str]) -> list[int]:
    """The live processes of its group."""
    alive = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # After the name, which may hold anything: state, parent, group.
            state, _, group, *_ = status.read_text().rpartition(")")[2].split()
            if int(group) == process.pid and state != "Z":
                alive.append(int(status.parent.name))
    return alive


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Its worker processes."""
    return [
        one
        for one in group_of(process)
        if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def says_how_far_it_came(said: str, home: Home) -> None:
    """The last message counts the published hours and those left."""
    counts = INTERRUPTED.search(said)
    assert counts is not None, said
    assert int(counts[1]) == len(manifests(home))
    assert int(counts[1]) + int(counts[3]) == HOURS


def goes_on(home: Home) -> None:
    """The same command builds the rest, nothing twice, and leaves no leftovers."""
    before = len(manifests(home))
    assert 2 <= before < HOURS
    again = hourtally("backfill", *RANGE, "--home", home.root)
    assert (again.returncode, f"{HOURS - before} hour" in again.stdout) == (0, True)
    assert len(manifests(home)) == HOURS
    assert len(list(home.hours.glob("*/rev-*"))) == HOURS


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_an_interrupt_finishes_the_hours_in_progress_and_says_how_far_it_came(
    home: Home, workers: str
) -> None:
    status, said = interrupted_backfill(home, "--workers", workers, environment=environment())

    assert status == 130
    assert "Stopping after the current hours. Press Ctrl-C again to abort." in said
    says_how_far_it_came(said, home)
    assert len(list(home.hours.glob("*/rev-*"))) == len(manifests(home))
    goes_on(home)


# A terminal interrupts all processes, a supervisor only the one that it started.
@pytest.mark.parametrize(
    ("interrupt", "by"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)]
)
@pytest.mark.parametrize("is_recorded", [False, True])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_interrupt_aborts_the_hours_in_progress_and_says_how_far_it_came(
    home: Home,
    prefect_server: PrefectServer,
    workers: str,
    interrupt: Callable[[int, int], None],
    by: signal.Signals,
    *,
    is_recorded: bool,
) -> None:
    variables = prefect_server.environment if is_recorded else environment()
    with begun_backfill(home, "--workers", workers, environment=variables) as process:
        for _ in range(2):
            interrupt(process.pid, by)
            time.sleep(0.02)
        said = last_words(process)

    # If the second one arrives after the report, it ends the process; a shell shows 130 too.
    assert process.returncode in (130, -by)
    says_how_far_it_came(said, home)
    goes_on(home)


@pytest.mark.parametrize("aborts", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_workers_that_are_started_when_the_job_was_asked_to_stop_build_nothing(
    home: Home, *, aborts: bool
) -> None:
    card = load_rate_card(home.rates)
    now_ms = parse_instant_ms(NOW)
    builder = Builder(home, card, now_ms, Settings(threads=2))
    first, end = Hour.parse(RANGE[1]), Hour.parse(RANGE[3])
    stale = stale_hours(home, card, now_ms, DEFAULT_SETTLE_MS, HourRange(first, end))
    assert len(stale) == HOURS
    stop = Stop()
    stop.request()
    if aborts:
        stop.abort()

    report = build_with_workers(builder, stale, 2, stop=stop)

    assert (report.built, report.failed, report.undone) == ([], [], HOURS)
    assert manifests(home) == []


def test_a_second_interrupt_after_the_hours_does_not_cut_off_what_was_done(
    tmp_path: Path, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path)
    home = Home(tmp_path)

    def interrupted_while_it_is_shown(*what: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        show_report(*what)

    def interrupted_after_an_hour(done: int, *_of: object) -> None:
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(flow_steps, "show_report", interrupted_while_it_is_shown)
    # Otherwise all of them are one group.
    monkeypatch.setattr(grouping, "MAX_GROUP_HOURS", 1)
    ingest_inbox(home, NOW_MS, Settings(threads=1))
    with prefect_server.recording(), graceful_shutdown() as stop:
        report = run_backfill(
            interrupted_after_an_hour,
            stop,
            from_=FIRST_HOUR.name,
            to=Hour(FIRST_HOUR.timestamp + 3 * 3_600).name,
            home=str(home.root),
            now=format_instant(NOW_MS),
        )

    assert report.interrupted
    built = [receipt.hour for receipt in report.built.built]
    assert built[0] == FIRST_HOUR.name
    assert len(built) + report.built.undone == 3


def test_work_that_checks_gets_no_exception_and_the_second_interrupt_ends_its_queries(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, states = [], []
    with graceful_shutdown() as stop:
        with ended_by_abort(stop) as checked, checked.interrupting(lambda: ended.append("query")):
            checked.check()
            signal.raise_signal(signal.SIGINT)
            states.append(stop.state)
            checked.check()
            signal.raise_signal(signal.SIGTERM)
            states.append(stop.state)
            with pytest.raises(KeyboardInterrupt):
                checked.check()
            # A third one ends a query that has started since.
            signal.raise_signal(signal.SIGINT)
            checked.check()
            ended.append("the work goes on")
        assert states == [StopState.STOPPING, StopState.ABORTING]
        assert ended == ["query", "query"]
        # It does not cut off the report.
        signal.raise_signal(signal.SIGINT)
    message = "hourtally: Stopping after the current hours. Press Ctrl-C again to abort.\n"
    assert capsys.readouterr().err == message


def test_a_stop_that_a_job_requests_itself_does_not_count_as_an_interrupt() -> None:
    with graceful_shutdown() as stop:
        stop.request()
        signal.raise_signal(signal.SIGINT)
        assert stop.state is StopState.STOPPING
        stop.check()


def test_an_interrupt_of_a_command_that_is_still_loaded_ends_it_without_a_trace() -> None:
    interrupted = """
import os, signal, sys
from hourtally.__main__ import main

# What is started in the background of a shell is not asked to take it.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, *_):
        if name == "hourtally.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
main()
"""
    run = [sys.executable, "-c", interrupted]
    done = subprocess.run(run, capture_output=True, text=True, env=environment(), check=False)

    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_second_interrupt_is_raised_where_nothing_looks() -> None:
    with graceful_shutdown():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


_INTERRUPTED_AMID_QUERIES = """
import os, signal, sys, threading
from pathlib import Path
from hourtally.build.builder import Builder
from hourtally.store.layout import Home
from hourtally.model.hours import parse_instant_ms
from hourtally.ingest.files import ingest_inbox, ingest_paths
from hourtally.runtime.interrupts import graceful_shutdown
from hourtally.ratecard import load_rate_card
from hourtally.settings import DEFAULT_SETTLE_MS, Settings
from hourtally.build.staleness import stale_hours

step, root, now, first, end = sys.argv[1:]
home, now_ms, settings = Home(Path(root)), parse_instant_ms(now), Settings()
with graceful_shutdown() as stop:
    assert "polars" not in sys.modules
    if step == "ingest":
        for file in home.inbox.iterdir():
            file.touch()
        ingest_inbox(home, now_ms, settings, None, stop)
    elif step == "ingest paths":
        ingest_paths(home, [home.inbox], now_ms, settings)
    elif step == "build":
        card = load_rate_card(home.rates)
        stale = stale_hours(home, card, now_ms, DEFAULT_SETTLE_MS)[:1]
        Builder(home, card, now_ms, settings).build(stale, None, stop)
    else:
        from hourtally.orchestration.flows import run_backfill
        run_backfill(None, stop, from_=first, to=end, home=root, now=now)
    import polars
    query = polars.LazyFrame({"n": range(1_000_000)}).select(polars.col("n").hash().sort().sum())
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    while not stop.is_set():
        query.collect()
print("not interrupted")
"""


@pytest.mark.parametrize("step", ["ingest", "ingest paths", "build", "recorded"])
def test_a_first_interrupt_interrupts_no_query_of_polars(
    home: Home, prefect_server: PrefectServer, step: str
) -> None:
    first = Hour.parse(RANGE[1])
    to = (NOW, first.name, first.following.name)
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_AMID_QUERIES, step, home.root, *to],
        capture_output=True,
        text=True,
        env=prefect_server.environment if step == "recorded" else environment(),
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "not interrupted\n"), done.stderr
    assert "Stopping after the current" in done.stderr


@pytest.fixture
def raising() -> Iterator[None]:
    """SIGINT is handled as in a command."""
    before = signal.signal(signal.SIGINT, raise_interrupt)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("raising")
def test_an_interrupt_of_a_query_is_an_interrupt() -> None:
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    # With one thread; otherwise DuckDB may check for interrupts only when the query is done.
    long = "SELECT count(*) FROM range(3_000_000_000) AS t(n) WHERE n % 7 = sqrt(n)"
    one: dict[str, str | bool | int | float | list[str]] = {"threads": 1}
    with (
        pytest.raises(KeyboardInterrupt),
        as_keyboard_interrupt(),
        duckdb.connect(config=one) as engine,
    ):
        engine.execute(long)


class _RowsThatAreInterrupted:
    """Rows that DuckDB asks Python for; an interrupt arrives as it does."""

    def __init__(self) -> None:
        self.is_registered = False

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self.is_registered:
            signal.raise_signal(signal.SIGINT)
        return pa.table({"n": [1]}).__arrow_c_stream__(requested_schema)


@pytest.mark.usefixtures("raising")
def test_an_interrupt_that_a_library_takes_for_something_else_is_an_interrupt() -> None:
    rows = _RowsThatAreInterrupted()
    with duckdb.connect() as engine:
        engine.register("rows", rows)
        rows.is_registered = True
        with pytest.raises(KeyboardInterrupt) as raised, as_keyboard_interrupt():
            engine.sql("SELECT sum(n) FROM rows").fetchall()
    # Otherwise the test proves nothing.
    assert isinstance(raised.value.__cause__, duckdb.Error)

    with pytest.raises(RuntimeError, match="another"), as_keyboard_interrupt():
        raise RuntimeError("another")


@pytest.mark.parametrize(("by", "workers"), [(signal.SIGINT, "2"), (signal.SIGTERM, "1")])
def test_an_interrupt_of_the_flow_does_the_same(
    home: Home, prefect_server: PrefectServer, by: signal.Signals, workers: str
) -> None:
    status, said = interrupted_backfill(
        home, "--workers", workers, by=by, environment=prefect_server.environment
    )

    assert status == 130
    assert "Crash" not in said
    says_how_far_it_came(said, home)
    goes_on(home)


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_worker_process_that_is_killed_ends_its_job_with_a_sentence(
    home: Home, prefect_server: PrefectServer, *, is_recorded: bool
) -> None:
    variables = prefect_server.environment if is_recorded else environment()
    with begun_backfill(home, "--workers", "2", environment=variables) as process:
        os.kill(workers_of(process)[0], signal.SIGKILL)
        said = last_words(process)

    assert process.returncode == 1
    assert "hourtally: a worker process was killed" in said
    goes_on(home)


@pytest.mark.slow
def test_worker_processes_end_with_a_job_that_is_killed(home: Home) -> None:
    with begun_backfill(home, "--workers", "2", environment=environment()) as process:
        assert len(workers_of(process)) == 2
        process.kill()
        process.wait()
        until("its workers are gone", lambda: not group_of(process))

    goes_on(home)


def test_a_terminal_is_shown_how_long_it_takes_and_a_dry_run_estimates_by_that(home: Home) -> None:
    dry_run = ("backfill", *RANGE, "--home", home.root, "--force", "--dry-run")
    before = hourtally(*dry_run).stdout.splitlines()
    terminal, standard_error = pty.openpty()
    with subprocess.Popen(
        command("backfill", *RANGE, "--home", home.root),
        stdout=subprocess.DEVNULL,
        stderr=standard_error,
        env=environment() | {"TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(standard_error)
        shown = b""
        while True:
            try:
                shown += os.read(terminal, 1 << 16)
            except OSError:
                # So Linux says that the other side is closed.
                break
    os.close(terminal)

    assert process.returncode == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown).decode()
    assert re.search(
        rf"building 2026-11-0\dT\d\d .* \d+/{HOURS} \d+\.\d (hours/s|s/hour) 0:00:\d\d", plain
    )

    after = hourtally(*dry_run).stdout.splitlines()
    assert before[1].split(maxsplit=1) == ["2026-11-03T16", "first build"]
    unknown = "no estimate before the first build."
    assert before[-1] == f"{HOURS} hours would be built, {unknown}"
    assert after[1].split(maxsplit=1) == ["2026-11-03T16", "forced"]
    assert re.fullmatch(
        rf"{HOURS} hours would be built, in about \d+\.\d (seconds|minutes) "
        rf"at the pace of the last 24 builds\.",
        after[-1],
    )
