from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hourtally.store import durable, locking
from tests.support.command_line import environment

# How long a thread is given to do what it must not do.
A_MOMENT = 0.2
# How long it is given to do what it must do, on a machine that is busy.
LONG = 30


def in_thread(work: Callable[[], None]) -> tuple[threading.Thread, threading.Event]:
    """Start some work; the event tells its end."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, done


def test_a_folder_is_locked_by_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "hour"

    def lock() -> None:
        with locking.locked_folder(folder):
            pass

    with locking.locked_folder(folder):
        thread, done = in_thread(lock)
        assert not done.wait(A_MOMENT)
    assert done.wait(LONG)
    thread.join()


def test_who_waited_for_a_folder_that_was_removed_locks_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    refused: list[bool] = []

    def lock() -> None:
        with locking.locked_folder(folder):
            refused.append(is_locked(folder))

    with locking.locked_folder(folder):
        thread, done = in_thread(lock)
        assert not done.wait(A_MOMENT)
        durable.remove_folder(folder)
    assert done.wait(LONG)
    thread.join()
    assert refused == [True]


def test_a_folder_removed_before_it_could_be_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "batch"
    make = durable.make_folder
    made: list[Path] = []

    def make_and_lose(path: Path) -> None:
        make(path)
        if path == folder:
            made.append(path)
            if len(made) == 1:
                path.rmdir()

    monkeypatch.setattr(locking, "make_folder", make_and_lose)
    with locking.locked_folder(folder):
        assert is_locked(folder)
    assert made == [folder, folder]


def is_locked(folder: Path) -> bool:
    """Whether the folder that has this name now is locked."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from hourtally.store.locking import locked_folder\n"
        "with locked_folder(Path(sys.argv[1])):\n"
        "    print('locked', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "hour")],
        env=environment(),
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    assert is_locked(tmp_path / "hour")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    began = time.monotonic()
    with locking.locked_folder(tmp_path / "hour"):
        assert time.monotonic() - began < LONG


def test_a_wait_for_a_lock_ends_if_who_waits_looks_and_gives_up(tmp_path: Path) -> None:
    looks = iter([None, None, KeyboardInterrupt])

    def look() -> None:
        raised = next(looks)
        if raised is not None:
            raise raised

    with locking.locked_folder(tmp_path):
        with pytest.raises(KeyboardInterrupt), locking.locked_folder(tmp_path, look):
            pytest.fail("two hold it")
        assert next(looks, "all were had") == "all were had"
    with locking.locked_folder(tmp_path, look):
        pass


def hold_until(folder: Path, released: threading.Event) -> threading.Thread:
    """A thread that holds the folder's lock until the event."""
    held = threading.Event()

    def hold() -> None:
        with locking.locked_folder(folder):
            held.set()
            released.wait(LONG)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LONG)
    return thread


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 1), (LONG, 0)])
def test_a_long_wait_is_told_once_with_what_it_is_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seconds: float,
    told: int,
) -> None:
    monkeypatch.setattr(locking, "_SILENT_SECONDS", seconds)
    released = threading.Event()
    holder = hold_until(tmp_path, released)
    looks = iter(range(4))

    def look() -> None:
        if next(looks) == 3:
            released.set()

    with locking.locked_folder(tmp_path, look, what="hour 2026-11-22T13"):
        pass

    holder.join()
    line = "hourtally: waiting for hour 2026-11-22T13\n"
    assert capsys.readouterr().err == line * told


def test_a_wait_of_less_than_two_seconds_is_not_told() -> None:
    assert locking._SILENT_SECONDS == 2


@pytest.mark.parametrize("durably", [True, False])
def test_a_folder_removed_while_it_is_found_to_exist_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, durably: bool
) -> None:
    mkdir = Path.mkdir
    taken = iter([True])

    def taken_at_first(path: Path) -> None:
        # Its previous holder removes it before anybody looks what it is.
        if next(taken, False):
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        mkdir(path)

    monkeypatch.setattr(Path, "mkdir", taken_at_first)
    with locking.locked_folder(tmp_path / "folder", durably=durably):
        assert (tmp_path / "folder").is_dir()
