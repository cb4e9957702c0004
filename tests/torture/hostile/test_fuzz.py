"""Fuzzing: whatever the bytes, each parser returns a result or raises its own error.

A short run with the same bytes every time. `--long` makes a million executions of each, and three
million coverage-guided ones with atheris (`.venv/bin/pip install atheris`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hourtally.errors import RateCardError
from hourtally.events.event_types import Event
from hourtally.events.instants import MAX_INTERVAL_MS
from hourtally.events.strict_json import RuleViolation
from hourtally.events.validation import MAX_QUANTITY, RULES, check_line
from hourtally.ingest.ndjson.parser import LineParser
from hourtally.model.hours import Hour
from hourtally.ratecard import RatesInForce, load_rate_card, parse_rate_card
from tests.ingest.ndjson.test_line_shapes import ENGINE, assert_parsed_as_validated
from tests.support.command_line import ROOT
from tests.support.tools import missing
from tests.torture.hostile.mutations import (
    CARD_SEEDS,
    CARD_TOKENS,
    EVENT_SEEDS,
    EVENT_TOKENS,
    mutated,
)

log = logging.getLogger(__name__)

_CHUNK = 1_000
# A chunk takes less than a hundredth of it; a parser that hangs is interrupted.
_HANGS_AFTER_SECONDS = 300
# Allowance for interpreter and allocator; a leak of 100 bytes an execution would be 95 MiB.
_GROWTH_MIB = 48
_HOUR = Hour(1_795_352_400)


@contextlib.contextmanager
def _fail_on_hang() -> Iterator[None]:
    def hangs(*_: object) -> None:
        message = "a chunk of executions does not end"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(_HANGS_AFTER_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _rss_mib() -> int:
    """Resident memory of this process; 0 where there is no /proc."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * resource.getpagesize() >> 20


def fuzz(name: str, count: int, execute: Callable[[random.Random], None]) -> None:
    """Execute this many times, with one seed a chunk; it may neither hang nor leak."""
    started, held = time.perf_counter(), 0
    chunks = -(-count // _CHUNK)
    for seed in range(chunks):
        if seed == chunks // 10:
            held = _rss_mib()
        chance = random.Random(seed)
        with _fail_on_hang():
            for _ in range(_CHUNK):
                execute(chance)
    seconds, grown = time.perf_counter() - started, _rss_mib() - held
    log.info(
        "%s: %d executions, %.0f s, %.0f/s, grown by %d MiB",
        *(name, chunks * _CHUNK, seconds, chunks * _CHUNK / seconds, grown),
    )
    assert grown < _GROWTH_MIB


_QUANTITIES = frozenset(
    {
        *("cpu_millicores", "memory_mib", "storage_mib", "gpu_milli"),
        *("vcpu_millicores", "gpu_memory_mib", "cluster_count"),
    }
)


def validate(line: bytes) -> str | None:
    """The rule that a line breaks; None after checking the bounds of a valid event."""
    broken: RuleViolation | None = None
    try:
        event = check_line(line)
    except RuleViolation as violation:
        broken = violation
    if broken is not None:
        assert broken.rule in RULES
        assert 0 < len(broken.message) < 1_000
        return broken.rule
    assert 0 < event.end_ms - event.start_ms <= MAX_INTERVAL_MS
    quantities = [value for name, value in event._asdict().items() if name in _QUANTITIES]
    assert all(0 <= value <= MAX_QUANTITY for value in quantities)
    if isinstance(event, Event):
        assert all(0 < len(text.encode()) <= 256 for text in (event.customer_id, event.resource_id))
    return None


def read_card(content: bytes) -> bool:
    """Whether it is a rate card; a valid one can be used, an invalid one says why."""
    problems: list[str] | None = None
    try:
        card = parse_rate_card(content.decode(errors="surrogateescape"), "x")
    except RateCardError as error:
        problems = error.problems
    if problems is not None:
        assert problems
        assert all(problem and len(problem.splitlines()) == 1 for problem in problems)
        return False
    RatesInForce(card.in_force(_HOUR))
    assert card.periods(_HOUR)
    assert card.digest(_HOUR)
    return True


def test_any_line_is_an_event_or_breaks_a_rule(long: bool) -> None:
    rules: set[str | None] = set()

    def execute(chance: random.Random) -> None:
        rules.add(validate(mutated(EVENT_SEEDS, EVENT_TOKENS, chance)))

    fuzz("validate", 1_000_000 if long else 30_000, execute)
    # Mutations break every rule but line_too_long, and leave some lines valid.
    assert rules == {None, *RULES} - {"line_too_long"}


def test_any_card_is_read_or_rejected(long: bool) -> None:
    found: set[bool] = set()

    def execute(chance: random.Random) -> None:
        found.add(read_card(mutated(CARD_SEEDS, CARD_TOKENS, chance)))

    fuzz("card", 1_000_000 if long else 8_000, execute)
    assert found == {True, False}


def test_the_reader_by_shapes_gives_the_verdict_of_the_validator(long: bool) -> None:
    """An execution is a line; they are read in blocks, behind lines whose shapes are learned."""
    for seed in range(2_000 if long else 10):
        chance = random.Random(seed)
        known = chance.sample(EVENT_SEEDS, 8)
        lines = [mutated(EVENT_SEEDS, EVENT_TOKENS, chance) for _ in range(492)]
        lines = [line.replace(b"\n", b" ") for line in (*known, *lines)]
        kept = [line for line in lines if line.strip(b" \t\r")]
        with _fail_on_hang():
            assert_parsed_as_validated(LineParser(ENGINE), kept)


def test_a_card_file_of_any_bytes_is_read_or_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    for seed in range(300):
        path.write_bytes(mutated(CARD_SEEDS, CARD_TOKENS, random.Random(seed)))
        with contextlib.suppress(RateCardError):
            load_rate_card(path)


@pytest.mark.long
@pytest.mark.parametrize("target", ["validate", "read_card"])
def test_coverage_guided_input_is_read_or_rejected(tmp_path: Path, target: str) -> None:
    if importlib.util.find_spec("atheris") is None:
        missing("atheris is not installed; `.venv/bin/pip install atheris` brings it")
    seeds = EVENT_SEEDS if target == "validate" else CARD_SEEDS
    for number, seed in enumerate(seeds):
        (tmp_path / str(number)).write_bytes(seed)
    program = (
        "import atheris, sys\n"
        "with atheris.instrument_imports(include=['hourtally', 'json', 'tomllib']):\n"
        f"    from tests.torture.hostile.test_fuzz import {target}\n"
        f"atheris.Setup(sys.argv, lambda data: {target}(data) and None)\n"
        "atheris.Fuzz()\n"
    )
    runs = 1_500_000
    options = [f"-runs={runs}", "-seed=1", "-timeout=60", "-rss_limit_mb=1024", "-max_len=2048"]
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", program, *options, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        check=False,
    )
    log.info("%s: %s", target, done.stderr[-600:])
    assert done.returncode == 0, done.stderr[-3_000:]
    assert f"Done {runs} runs" in done.stderr
