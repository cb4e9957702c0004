"""The local cache of small objects that never change."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.published.reader import published_hours
from hourtally.runtime.worker_pool import worker_processes
from hourtally.store.layout import Home
from hourtally.store.manifests import current_manifest
from hourtally.store.objects.cache import MOST_BYTES, RecordCache
from hourtally.store.objects.opening import _new_workspace, open_url
from tests.support.buckets import keys_of, objects_of, sample_in
from tests.support.command_line import environment

NOW = ("--now", "2026-11-02T12:15:00Z")


def test_a_copy_is_found_by_key_and_etag(tmp_path: Path) -> None:
    cache = RecordCache(tmp_path)
    cache.put("batches/a.json", "1", b"content")
    assert cache.get("batches/a.json", "1") == b"content"
    assert cache.get("batches/a.json", "2") is None
    assert cache.get("batches/b.json", "1") is None


def test_a_copy_that_was_torn_is_not_used(tmp_path: Path) -> None:
    cache = RecordCache(tmp_path)
    cache.put("batches/a.json", "1", b"content")
    [copy] = [path for path in tmp_path.rglob("*") if path.is_file()]
    for torn in (b"", copy.read_bytes()[:-1], bytes(40)):
        copy.write_bytes(torn)
        assert cache.get("batches/a.json", "1") is None


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = RecordCache(tmp_path / "file")
    cache.put("a", "1", b"content")
    assert cache.get("a", "1") is None
    whole = RecordCache(tmp_path / "whole")
    whole.put("a", "1", bytes(MOST_BYTES + 1))
    assert whole.get("a", "1") is None


def test_a_bucket_that_is_emptied_and_filled_anew_has_no_copies_of_before(
    bucket: Home, tmp_path: Path
) -> None:
    totals = []
    for left_out in (None, "clusters.parquet"):
        client = objects_of(bucket).client
        client.delete(keys_of(bucket))
        sample_in(bucket, tmp_path / "sample")
        if left_out:
            client.delete([f"inbox/{left_out}"])
        assert call(["run", *NOW, "--home", bucket.place]) == 3
        manifests = [current_manifest(bucket, hour) for hour in published_hours(bucket)]
        assert [one.revision for one in manifests if one] == [1, 1, 1]
        totals.append(sum(one.record["totals"]["total"] for one in manifests if one))
    assert totals[0] > totals[1] > 0


def test_what_a_process_that_ended_left_is_removed_by_the_next_one(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_url("memory://leftovers/home")
    (first / "unfinished").write_bytes(b"x")
    monkeypatch.setattr("hourtally.store.objects.opening.mounted_at", lambda _: None)
    # As long as the process lives it has its own.
    second = open_url("memory://leftovers/home")
    assert (first / "unfinished").exists()
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.exists() and descriptor.resolve() == first:
            os.close(int(descriptor.name))
    third = open_url("memory://leftovers/home")
    assert not first.exists()
    assert {second, third} <= set(cache.rglob("work/*"))


def test_a_process_removes_its_unfinished_work_at_its_end(tmp_path: Path) -> None:
    code = (
        "from hourtally.cli.app import call, _exit\n"
        "call(['list', '--home', 'memory://x/home'])\n"
        "_exit(0)\n"
    )
    variables = environment() | {"XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=variables, check=True, capture_output=True)
    assert list(tmp_path.rglob("work")) != []
    assert list(tmp_path.rglob("work/*")) == []


def test_a_worker_process_removes_its_unfinished_work_at_its_end(cache: Path) -> None:
    ours = open_url("memory://workers/home")
    with worker_processes(1, None, 1) as pool:
        theirs = pool.submit(open_url, "memory://workers/home").result()
        assert theirs.parent == ours.parent
        assert theirs.exists()
    assert list(cache.rglob("work/*")) == [ours]


def test_a_folder_that_is_just_made_is_not_taken_for_what_another_process_left(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    others: list[threading.Thread] = []
    flock = fcntl.flock

    def slow(descriptor: int, how: int) -> None:
        """Somebody else begins after a folder was made and before it is locked."""
        if how & fcntl.LOCK_SH and not others:
            another = threading.Thread(target=lambda: made.append(_new_workspace(cache / "work")))
            others.append(another)
            another.start()
            another.join(0.3)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    made.append(_new_workspace(cache / "work"))
    others[0].join()
    assert len(made) == 2
    assert all(folder.exists() for folder in made)
