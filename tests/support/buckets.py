"""Homes in obstore's memory store, and stores whose calls fail or end the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
import pytest

from hourtally.jobs.sample import write_sample
from hourtally.published.reader import published_hours
from hourtally.store import durable
from hourtally.store.files import ABANDONED_NS, FileState, files_at, mount
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from hourtally.store.objects.cache import RecordCache
from hourtally.store.objects.client import Client
from hourtally.store.objects.files import ObjectFiles

WRITES = ("put", "delete")


def objects_of(home: Home) -> ObjectFiles:
    """The objects of a home."""
    files = files_at(home.root)
    assert isinstance(files, ObjectFiles)
    return files


def keys_of(home: Home, folder: str = "") -> list[str]:
    """The keys of all objects below a folder, sorted."""
    return sorted(objects_of(home).client.list_all(folder))


def published(home: Home) -> dict[str, bytes]:
    """Every file of the newest revisions of a bucket, by hour and name."""
    client = objects_of(home).client
    newest = [current_manifest(home, hour) for hour in published_hours(home)]
    return {
        f"{one.hour} {name}": client.get(f"hours/{one.hour}/{one.folder.name}/{name}")[0]
        for one in newest
        if one is not None
        for name in one.record["files"]
    }


def sample_in(home: Home, folder: Path) -> None:
    """Put the sample's rate card and event files into a home; folder: for local files."""
    write_sample(folder)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            durable.replace_file(home.root / path.relative_to(folder), path.read_bytes())


def other_machine(home: Home, folder: Path) -> Home:
    """The same home as another machine has it, with a working folder of its own."""
    there = objects_of(home).client
    client = Client(there._store, there._prefix.rstrip("/"), there.url, obstore)
    folder.mkdir(parents=True)
    mount(folder, ObjectFiles(client, folder, RecordCache(folder / ".records")), there.url)
    return Home(folder)


@contextmanager
def two_days_later(home: Home) -> Iterator[None]:
    """The store as it tells of what is there now, two days later, when there is a new object."""
    client = objects_of(home).client
    old, list_all, head = set(client.list_all("")), client.list_all, client.head

    def aged(key: str, state: FileState) -> FileState:
        changed_ns = state.changed_ns - 2 * ABANDONED_NS * (key in old)
        return state._replace(changed_ns=changed_ns)

    def aged_list(folder: str) -> dict[str, FileState]:
        return {key: aged(key, state) for key, state in list_all(folder).items()}

    client.put("hours/new", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "list_all", aged_list)
        patch.setattr(client, "head", lambda key: aged(key, head(key)))
        yield
    client.delete(["hours/new"])


class Killed(BaseException):
    """The process was killed: nothing that it does from here on has any effect."""


class Calls:
    """obstore's functions, of which the Nth call does what a test says; `create` is a kind of put.

    number: how many calls were made. dead: from then on every call fails.
    """

    def __init__(self, act: Callable[[int, str, Callable[[], Any]], Any]) -> None:
        self.number = 0
        self.dead = False
        self._act = act

    def __getattr__(self, name: str) -> Any:
        function = getattr(obstore, name)

        def call(*given: Any, **named: Any) -> Any:
            if self.dead:
                raise Killed
            self.number += 1
            what = "create" if named.get("mode") == "create" else name
            return self._act(self.number, what, lambda: function(*given, **named))

        return call


@contextmanager
def calls_of(home: Home, act: Callable[[int, str, Callable[[], Any]], Any]) -> Iterator[Calls]:
    """Let a home's client make its calls through `act(number, name, call)`."""
    client, calls = objects_of(home).client, Calls(act)
    before = client._calls
    client._calls = calls
    try:
        yield calls
    finally:
        client._calls = before
