"""What a test needs of the machine: skipped where it is missing, but never in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest


def require_tool(name: str) -> str:
    """Return the path of an installed tool, or skip the test (fail it where `CI` is set)."""
    path = shutil.which(name)
    if path is None:
        missing(f"{name} is not installed")
    return path


def missing(reason: str) -> NoReturn:
    """Skip the running test because something could be installed and is not.

    Where `CI` is set, the test fails instead: nothing is left untested there without notice.
    """
    if os.environ.get("CI"):
        pytest.fail(f"{reason}: in CI every tool that a test needs must be there", pytrace=False)
    pytest.skip(reason)


def require_strace() -> None:
    """Skip the running test where strace is missing, or where the system lets nobody trace."""
    require_tool("strace")
    if refusal := _strace_refusal():
        pytest.skip(f"strace cannot trace here: {refusal}")


@cache
def _strace_refusal() -> str:
    done = subprocess.run(
        ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
    )
    return done.stderr.strip() if done.returncode else ""
