"""The command line as a person uses it: a process of its own, in a temporary home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NOW = "2026-11-22T00:00:00Z"
ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "hourtally", *map(str, arguments)]


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PREFECT")}
    return kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def hourtally(
    *arguments: str | Path, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; it never prints a traceback, nor what an engine left behind."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=variables or environment(),
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "nanobind: leaked" not in done.stderr, done.stderr
    return done


def documents(home: Path) -> dict[str, bytes]:
    """The lines of every hour's newest revision, by the hour's name."""
    newest = {}
    for hour in sorted((home / "hours").iterdir()):
        folders = sorted(hour.glob("rev-*"), key=lambda folder: folder.name)
        manifests = sorted(hour.glob("*.json"))
        revision = manifests[-1].stem
        [folder] = [f for f in folders if f.name.startswith(f"rev-{revision}-")]
        newest[hour.name] = (folder / "documents.ndjson").read_bytes()
    return newest


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was last written, and its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
