"""The facts of a home in Prometheus's text format.

Facts are gauges, for all of them may go down: a withdrawal takes its batch's events back, and a
restatement has sums of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hourtally import __version__
from hourtally.build.status import STATES
from hourtally.events.validation import RULES
from hourtally.metrics.home_facts import HomeFacts

# Seconds are decimals of milliseconds, exact as binary floats are printed.
_MS: Final = 1_000


class RunFacts(NamedTuple):
    """A run that has just ended. seconds: how long it took."""

    ended_ms: int
    seconds: float
    exit_status: int


class HomeCollector(Collector):
    """Gathers the facts of a home whenever it is asked for metrics."""

    def __init__(self, facts: Callable[[], HomeFacts], run: RunFacts | None = None) -> None:
        self._facts = facts
        self._run = run

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        facts = self._facts()
        yield _labelled("version", "version", {__version__: 1}, "Hourtally, by version.")
        yield from _hours(facts)
        yield from _events(facts)
        if self._run is not None:
            yield from _of_run(self._run)


def text_of_home(facts: HomeFacts, run: RunFacts) -> bytes:
    """The text file of a run."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HomeCollector(lambda: facts, run))
    return generate_latest(registry)


def _hours(facts: HomeFacts) -> Iterator[Metric]:
    hours = {state: facts.states[state] for state in STATES}
    yield _labelled("hours", "state", hours, "Hours by state, as `hourtally status` has them.")
    if facts.newest is not None:
        newest = facts.newest
        yield _gauge(
            "newest_published_hour_start_timestamp_seconds",
            newest.timestamp,
            "Start of the newest published hour, in Unix time.",
        )
        yield _gauge(
            "newest_published_hour_age_seconds",
            (facts.now_ms - newest.end_ms) / _MS,
            "Time since the end of the newest published hour.",
        )
    yield _gauge("held_hours", facts.held_hours, "Hours whose newest revision holds somebody.")
    yield _gauge(
        "held_customers", len(facts.held_customers), "Customers held in any newest revision."
    )
    yield _gauge("restatements", facts.restatements, "Revisions after the first of their hour.")
    yield _gauge(
        "build_seconds", facts.build_ms / _MS, "Time that building the newest revisions took."
    )
    yield _gauge(
        "published_bytes", facts.published_bytes, "Size of the files of the newest revisions."
    )


def _events(facts: HomeFacts) -> Iterator[Metric]:
    yield _gauge("events_accepted", facts.accepted, "Accepted lines of batches that count.")
    yield _gauge(
        "events_duplicate", facts.duplicates, "Lines that repeat an earlier line of their file."
    )
    rules = {rule: facts.quarantined[rule] for rule in dict.fromkeys((*RULES, *facts.quarantined))}
    yield _labelled("quarantined_lines", "rule", rules, "Lines in quarantine, by the rule broken.")
    yield _gauge(
        "conflicts", facts.conflicts, "Identities in conflict, added up over newest revisions."
    )
    yield _gauge("slices_voided", facts.slices_voided, "Slices voided in newest revisions.")
    batches = {"ingested": facts.batches, "withdrawn": facts.withdrawn}
    yield _labelled("batches", "status", batches, "Batches by status.")
    yield _gauge("damaged_records", facts.damaged, "Damaged batch records and manifests.")


def _of_run(run: RunFacts) -> Iterator[Metric]:
    yield _gauge(
        "run_end_timestamp_seconds", run.ended_ms / _MS, "When the last run ended, in Unix time."
    )
    yield _gauge("run_duration_seconds", run.seconds, "How long the last run took.")
    yield _gauge("run_exit_status", run.exit_status, "Exit status of the last run.")


def _gauge(name: str, value: float, documentation: str) -> Metric:
    return GaugeMetricFamily(f"hourtally_{name}", documentation, value=value)


def _labelled(name: str, label: str, values: Mapping[str, int], documentation: str) -> Metric:
    family = GaugeMetricFamily(f"hourtally_{name}", documentation, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
