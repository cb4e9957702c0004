"""What is installed is what was locked: checked by hash, listed in an SBOM."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.command_line import ROOT
from tests.support.tools import require_tool


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require_tool("make"), "--directory", folder, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )


def test_everything_but_the_project_itself_is_installed_by_hash(tmp_path: Path) -> None:
    said = make(ROOT, "--dry-run", "demo", f"VENV={tmp_path / 'none'}").stdout
    commands = [part for part in said.replace("\\\n", " ").split(";") if " install " in part]
    assert len(commands) == 2
    locked, project = commands
    assert "--require-hashes --requirement requirements.lock" in " ".join(locked.split())
    # No index is asked: this folder is built with what the lock has installed.
    assert "--no-deps --no-build-isolation --editable ." in " ".join(project.split())


def wheel(folder: Path) -> str:
    """Write the wheel of an empty package; return its SHA-256."""
    path = folder / "nothing-1.0-py3-none-any.whl"
    files = {
        "nothing.py": "",
        "nothing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n",
        "nothing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    }
    record = "nothing-1.0.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
            record += f"{name},sha256={digest.decode()},{len(text)}\n"
        archive.writestr("nothing-1.0.dist-info/RECORD", record)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_a_package_that_is_not_the_one_that_was_locked_stops_the_installation(
    tmp_path: Path,
) -> None:
    digest = wheel(tmp_path)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    lock = tmp_path / "requirements.lock"
    alone = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}

    lock.write_text(f"nothing==1.0 --hash=sha256:{'0' * 64}\n")
    wrong = make(tmp_path, "demo", **alone)
    assert wrong.returncode == 2
    assert "DO NOT MATCH THE HASHES" in wrong.stderr
    assert digest in wrong.stderr
    # The next make starts over: nothing runs on a half-installed environment.
    assert not (tmp_path / ".venv" / ".installed").exists()
    assert not list(tmp_path.glob(".venv/lib/*/site-packages/nothing*"))


def test_the_sbom_lists_what_is_installed_with_its_dependencies(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    subprocess.run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"),
            "--no-validate",  # it takes 13 seconds; make sbom does it
            *("--pyproject", ROOT / "pyproject.toml", "--output-file", path, sys.executable),
        ],
        check=True,
        capture_output=True,
    )
    bom = json.loads(path.read_bytes())
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "hourtally")
    listed = {one["name"].lower().replace("_", "-"): one["version"] for one in bom["components"]}
    lock = re.findall(r"^([a-z0-9-]+)==([^ ]+) \\$", (ROOT / "requirements.lock").read_text(), re.M)
    installed = {name: version for name, version in lock if _is_installed(name)}
    assert len(installed) > 100
    assert installed.items() <= {name.replace(".", "-"): v for name, v in listed.items()}.items()
    assert {"polars==", "duckdb=="} <= {
        re.sub("==.*", "==", wanted)
        for one in bom["dependencies"]
        if one["ref"] == bom["metadata"]["component"]["bom-ref"]
        for wanted in one["dependsOn"]
    }


def _is_installed(name: str) -> bool:
    """Whether a pin applies here: some are for other platforms or Pythons."""
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
