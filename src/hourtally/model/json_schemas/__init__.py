"""JSON Schemas of what Hourtally reads and writes: files, and what commands print with --json."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from hourtally.errors import InvalidArgument

_FOLDERS: Final = ("files", "commands")


def schema_names() -> list[str]:
    """The names of all schemas: files first, then commands, each sorted."""
    root = files(__name__)
    return [
        entry.name.removesuffix(".json")
        for folder in _FOLDERS
        for entry in sorted((root / folder).iterdir(), key=lambda entry: entry.name)
    ]


def schema_text(name: str) -> str:
    """A schema as JSON.

    Raises:
        InvalidArgument: there is none of this name; the message lists them.
    """
    if name in schema_names():
        for folder in _FOLDERS:
            path = files(__name__) / folder / f"{name}.json"
            if path.is_file():
                return path.read_text(encoding="utf-8")
    message = f"no schema {name!r}; there are {', '.join(schema_names())}"
    raise InvalidArgument(message)
