"""Full disks and file size limits: writes are cut short, then fail."""

from __future__ import annotations

import logging
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.command_line import command, environment
from tests.torture.faults.jobs import JOBS, Trial

log = logging.getLogger(__name__)

pytestmark = pytest.mark.slow

BLOCK = 4_096


def let_no_file_grow_past(most_bytes: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


@pytest.mark.parametrize("name", JOBS)
def test_a_file_size_limit_fails_a_job_and_breaks_nothing(
    tmp_path: Path, name: str, *, long: bool
) -> None:
    trial = Trial(tmp_path, name)
    problems, failed = [], 0
    sizes = range(1, 9_001, 250) if long else (100, 1_000, 5_000)
    for most_bytes in sizes:
        trial.start_over()
        end = subprocess.run(
            command(*trial.command),
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=partial(let_no_file_grow_past, most_bytes),
        )
        failed += end.returncode == 1
        found = trial.problems_after_failure(end)
        problems += [f"at most {most_bytes} bytes: {wrong}" for wrong in found]
    log.info("%s: %d of %d sizes made it fail", name, failed, len(sizes))
    assert "\n".join(problems) == ""
    assert failed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder whose `home` is a file system of 2 MiB."""
    place = tmp_path / "home"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "hourtally-tests", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", JOBS)
def test_a_full_disk_fails_a_job_and_breaks_nothing(
    small_disk: Path, name: str, *, long: bool
) -> None:
    trial = Trial(small_disk, name)
    problems, failed = [], 0
    rooms = range(40) if long else (0, 2, 11)
    for blocks in rooms:
        trial.start_over()
        ballast = trial.home.root / "ballast"
        free = shutil.disk_usage(trial.home.root).free
        ballast.write_bytes(bytes(max(0, free - blocks * BLOCK)))
        end = subprocess.run(
            command(*trial.command), env=environment(), capture_output=True, text=True, check=False
        )
        ballast.unlink()
        failed += end.returncode == 1
        found = trial.problems_after_failure(end)
        problems += [f"room for {blocks} blocks: {wrong}" for wrong in found]
    log.info("%s: %d of %d rooms made it fail", name, failed, len(rooms))
    assert "\n".join(problems) == ""
    assert failed


def test_results_that_find_no_room_name_standard_output(small_disk: Path) -> None:
    ballast = small_disk / "home" / "ballast"
    with (small_disk / "home" / "result.txt").open("w") as result:
        ballast.write_bytes(bytes(shutil.disk_usage(ballast.parent).free))

        end = subprocess.run(
            command("schema", "manifest"),
            env=environment(),
            stdout=result,
            stderr=-1,
            text=True,
            check=False,
        )

    assert end.returncode == 1
    assert end.stderr.startswith("hourtally: standard output: No space left on device; fix that")


def test_the_demo_says_that_the_disk_is_too_small_before_it_starts_prefect(
    small_disk: Path,
) -> None:
    demo = command("demo", "--home", small_disk / "home")

    end = subprocess.run(demo, env=environment(), capture_output=True, text=True, check=False)

    assert end.returncode == 1
    assert "MB free, and the demo needs 32 MB; free space" in end.stderr
    assert "Prefect" not in end.stderr
