"""Marks that the version before kept in the tree itself, in `@hourtally/`.

They are taken over by the home and removed, and so are the temporary files of exports that were
killed, which lay beside the customers' files.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hourtally.published.export.marks import Mark
from hourtally.published.export.safe_files import open_folder, path_in_error, read_file

OLD_MARKERS: Final = "@hourtally"

_MARKER: Final = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2})\.json", re.ASCII)
_OURS: Final = re.compile(r"\.?\d{4}-\d{2}-\d{2}T\d{2}\.json(\.tmp)?", re.ASCII)
_TEMPORARY: Final = re.compile(r"\.-?\d+\.json\.tmp", re.ASCII)


def read_old_markers(tree: Path, root: int) -> dict[str, Mark]:
    """The marks in the tree, by the name of their hour; damaged ones are left out."""
    try:
        folder = open_folder(tree, root, OLD_MARKERS)
    except FileNotFoundError:
        return {}
    marks = {}
    try:
        with path_in_error(tree / OLD_MARKERS):
            for name in os.listdir(folder):  # noqa: PTH208 - of a descriptor
                match = _MARKER.fullmatch(name)
                content = read_file(folder, name) if match else None
                if match is None or content is None:
                    continue
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    digest = str(json.loads(content)["documents"])
                    marks[match[1]] = {"hour": match[1], "sha256": digest}
    finally:
        os.close(folder)
    return marks


def remove_old_markers(tree: Path, root: int, folders: Iterable[str]) -> None:
    """Remove the marks, their folder, and temporary files in the folders of customers.

    Files of others in `@hourtally/` stay, and so does it then.
    """
    _remove(tree, root, OLD_MARKERS, _OURS)
    with contextlib.suppress(OSError):
        os.rmdir(OLD_MARKERS, dir_fd=root)
    for folder in folders:
        if folder != OLD_MARKERS:
            _remove(tree, root, folder, _TEMPORARY)


def _remove(tree: Path, root: int, name: str, pattern: re.Pattern[str]) -> None:
    descriptor = open_folder(tree, root, name)
    try:
        with path_in_error(tree / name):
            for entry in os.listdir(descriptor):  # noqa: PTH208 - of a descriptor
                if pattern.fullmatch(entry):
                    os.unlink(entry, dir_fd=descriptor)
    finally:
        os.close(descriptor)
