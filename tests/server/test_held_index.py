"""What the server remembers of which hours hold somebody."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hourtally.server.held_index import HeldIndex


def change(folder: Path, *, seconds_ago: int) -> None:
    folder.touch()
    changed_ns = folder.stat().st_mtime_ns - seconds_ago * 1_000_000_000
    os.utime(folder, ns=(changed_ns, changed_ns))


def never() -> bool:
    message = "it was known"
    raise AssertionError(message)


def test_what_was_read_long_after_the_last_change_is_known(tmp_path: Path) -> None:
    change(tmp_path, seconds_ago=60)
    index = HeldIndex()
    assert index.holds_anybody(str(tmp_path), lambda: True)
    assert index.holds_anybody(str(tmp_path), never)


def test_what_was_read_just_after_a_change_is_read_again(tmp_path: Path) -> None:
    change(tmp_path, seconds_ago=0)
    index = HeldIndex()
    assert index.holds_anybody(str(tmp_path), lambda: True)
    # As if a revision had come within the same tick of the clock.
    assert not index.holds_anybody(str(tmp_path), lambda: False)


def test_a_change_has_it_read_again(tmp_path: Path) -> None:
    change(tmp_path, seconds_ago=60)
    index = HeldIndex()
    assert index.holds_anybody(str(tmp_path), lambda: True)
    change(tmp_path, seconds_ago=30)
    assert not index.holds_anybody(str(tmp_path), lambda: False)


@pytest.mark.parametrize("make", [Path.touch, lambda _: None])
def test_an_hour_without_a_folder_holds_nobody(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "hour")
    assert not HeldIndex().holds_anybody(str(tmp_path / "hour" / "folder"), never)
