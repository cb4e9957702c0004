"""How many requests readers of a bucket make, and what they see meanwhile."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from hourtally.cli.app import call
from hourtally.model.hours import Hour, parse_instant_ms
from hourtally.published.reader import find_document
from hourtally.server.revisions import CurrentRevisions
from hourtally.store import durable
from hourtally.store.files import FileState
from hourtally.store.layout import Home
from hourtally.store.objects.listing import ListedFolders, Listing, SharedListing
from tests.support.buckets import keys_of, objects_of, other_machine, sample_in

NOW = "2026-11-02T12:15:00Z"
HOUR = Hour.parse("2026-11-02T09")
META = FileState(1, 2, "etag")


@pytest.fixture
def home(bucket: Home, tmp_path: Path) -> Home:
    sample_in(bucket, tmp_path / "sample")
    assert call(["run", "--now", NOW, "--home", bucket.place]) == 3
    return bucket


def test_a_server_asks_once_for_an_hour_that_it_knows_and_sees_a_restatement(
    home: Home, tmp_path: Path
) -> None:
    server = other_machine(home, tmp_path / "server")
    revisions = CurrentRevisions(server)
    requests = objects_of(server).client.requests

    def asked() -> dict[str, int]:
        requests.clear()
        revision = revisions.current(HOUR.timestamp)
        assert revision is not None
        find_document(server, HOUR, "acme", now_ms=parse_instant_ms(NOW), settle_ms=0)
        return objects_of(server).requests()

    first = revisions.current(HOUR.timestamp)
    assert first is not None
    assert first.manifest.revision == 1
    assert asked()["get"] == 2
    # The manifest's listing twice: here it is looked up once more by the reader.
    assert asked() == {"list": 2}
    requests.clear()
    assert revisions.known(HOUR.timestamp) == first
    assert objects_of(server).requests() == {"list": 1}

    force = ("--force", "--from", HOUR.name, "--to", HOUR.following.name)
    assert call(["backfill", *force, "--now", NOW, "--home", home.place]) == 0
    assert revisions.known(HOUR.timestamp) is None
    restated = revisions.current(HOUR.timestamp)
    assert restated is not None
    assert restated.manifest.revision == 2


def new_listing() -> Listing:
    return Listing(lambda _: {})


def test_threads_share_a_listing_until_the_last_one_leaves() -> None:
    shared, seen = SharedListing(), []
    entered, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with shared.entered(new_listing):
            seen.append(shared.listing)
            entered.set()
            assert may_leave.wait(30)

    other = threading.Thread(target=stay)
    with shared.entered(new_listing):
        first = shared.listing
        with shared.entered(new_listing):
            assert shared.listing is first
        other.start()
        assert entered.wait(30)
    assert shared.listing is first
    may_leave.set()
    other.join()
    assert seen == [first]
    assert shared.listing is None


@pytest.mark.parametrize(
    "contradicted",
    [Listing(lambda _: {"hours/a": META}), ListedFolders({"hours": ({"hours/a": META}, [])})],
    ids=["all", "folders"],
)
def test_a_contradicted_listing_is_replaced_and_who_reads_it_reads_it_to_the_end(
    contradicted: Listing | ListedFolders,
) -> None:
    shared = SharedListing()
    with shared.entered(lambda: contradicted):
        shared.replace(contradicted)
        replaced = shared.listing
        assert replaced is not None
        assert replaced is not contradicted
        assert contradicted.names("hours") == {"a"}
        assert contradicted.meta("hours/a") == META
        # Somebody who was slower finds that it is replaced already.
        shared.replace(contradicted)
        assert shared.listing is replaced
    assert shared.listing is None


def test_whoever_enters_gets_a_new_listing_once_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedListing()
    monkeypatch.setattr("hourtally.store.objects.listing._LONGEST_SHARED_SECONDS", -1)
    seen = []

    def look() -> None:
        with shared.entered(new_listing):
            seen.append(shared.listing)

    with shared.entered(new_listing):
        first = shared.listing
        other = threading.Thread(target=look)
        other.start()
        other.join()
    assert seen[0] is not first
    assert shared.listing is None


def test_a_thread_that_has_not_entered_an_old_listing_asks_the_store(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = other_machine(home, tmp_path / "reader")
    now = time.monotonic()
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("hourtally.store.objects.listing.time", clock)
    hour = reader.hour(HOUR)
    notes = [reader.root / key for key in keys_of(home, ".inbox")]

    def by_another_thread() -> set[str]:
        with ThreadPoolExecutor(1) as pool:
            return set(pool.submit(durable.list_names, hour).result())

    with durable.one_listing(reader.root):
        before = set(durable.list_names(hour))
        force = ("--force", "--from", HOUR.name, "--to", HOUR.following.name)
        assert call(["backfill", *force, "--now", NOW, "--home", home.place]) == 0
        assert by_another_thread() == before
        now += 6
        assert len(by_another_thread() - before) == 2
        # Who has entered it, and the threads that read for it, see one moment to the end.
        assert set(durable.list_names(hour)) == before
        new = reader.manifest(HOUR, 2)
        requests = objects_of(reader).client.requests
        requests.clear()
        durable.fetch(notes)
        durable.fetch(notes)
        assert objects_of(reader).requests() == {"list": 1, "get": 7}
        assert not durable.file_exists(new)
