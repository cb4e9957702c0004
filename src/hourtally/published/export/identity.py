"""`@home.json` at the top of a tree: whose it is and what kind of export it holds.

A tree belongs to one home and has one kind. `tree` is its id, by which the home keeps its marks,
and `state` changes with every export that changes something (`marks.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from hourtally.errors import ForeignTree
from hourtally.published.export.marks import new_token
from hourtally.store import durable

IDENTITY_FILE: Final = "@home.json"


@dataclass(frozen=True)
class Kind:
    """A kind of export. details: such as version and format of a FOCUS dataset."""

    name: str
    details: tuple[tuple[str, str], ...] = ()

    @property
    def record(self) -> dict[str, str]:
        """The fields of `@home.json` that tell it."""
        return {"kind": self.name, **dict(self.details)}

    def __str__(self) -> str:
        """Such as `focus 1.2 parquet`."""
        return " ".join([self.name, *(value for _, value in self.details)])


@dataclass(frozen=True)
class Identity:
    """Whose a tree is. home: the home's id."""

    home: str
    kind: Kind
    tree: str = field(default_factory=new_token)
    state: str = field(default_factory=new_token)

    @property
    def content(self) -> bytes:
        """The bytes of `@home.json`."""
        record = {"home": self.home, **self.kind.record, "tree": self.tree, "state": self.state}
        return durable.to_json(record)

    def renewed(self) -> Identity:
        """The same tree in another state."""
        return replace(self, state=new_token())


def check_identity(path: Path, content: bytes, home: str, kind: Kind) -> Identity:
    """The identity of a tree that has one; the ids of its tree and state may be damaged.

    Args:
        path: the tree.
        content: of its `@home.json`.
        home: the id of the home that exports to it.
        kind: what it exports.

    Raises:
        ForeignTree: the tree belongs to another home, or holds another kind of export.
    """
    record = _parsed(content)
    if record is None or not {"home", "kind"} <= record.keys():
        message = (
            f"{path / IDENTITY_FILE}: not what an export writes there, so it is not known whose "
            "this folder is; export to another folder, or remove this one to write it anew"
        )
        raise ForeignTree(message)
    if record["home"] != home:
        message = (
            f"{path}: this folder holds an export of another home (its id is {record['home']}, "
            f"that of this home is {home}); export to another folder, or remove this one"
        )
        raise ForeignTree(message)
    found = Kind(
        str(record["kind"]),
        tuple((name, str(record[name])) for name in ("version", "format") if name in record),
    )
    if found != kind:
        message = (
            f"{path}: this folder holds an export of {found}, not of {kind}; export to another "
            "folder, or remove this one"
        )
        raise ForeignTree(message)
    return Identity(home, kind, str(record.get("tree")), str(record.get("state")))


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(content)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
