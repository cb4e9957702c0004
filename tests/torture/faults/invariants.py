"""What must hold for a home's files at any moment: everything that counts is whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from hourtally.store.durable import to_sealed_json
from tests.torture.faults.disk_model import Tree

_MANIFEST: Final = re.compile(r"hours/([^/]+)/\d{6}\.json")
_RECORD: Final = re.compile(r"batches/([0-9a-f]{16}(?:\.\d+)?)\.json")
_MARK: Final = re.compile(r"exports/([0-9a-f]{16})/([^/]+T\d\d)\.json")


def broken(tree: Tree) -> Iterator[str]:
    """What does not hold, a sentence each."""
    yield from _foreign_tree(tree)
    for path, content in tree.items():
        match = _telling(path)
        if match is None:
            continue
        if match.re is _MANIFEST:
            yield from _broken_revision(tree, path, match[1], _record(content))
        elif match.re is _RECORD:
            yield from _broken_batch(tree, path, match[1], _record(content))
        elif _is_known(tree, match[1]):
            yield from _broken_export(tree, path, match[2], content)


# The same few hundred paths are in a hundred thousand trees.
@lru_cache(maxsize=4_096)
def _telling(path: str) -> re.Match[str] | None:
    """The match of a path that vouches for other files."""
    return _MANIFEST.fullmatch(path) or _RECORD.fullmatch(path) or _MARK.fullmatch(path)


def _is_manifest(path: str, hour: str) -> bool:
    match = _telling(path)
    return match is not None and match.re is _MANIFEST and match[1] == hour


def _broken_revision(
    tree: Tree, path: str, hour: str, record: dict[str, Any] | None
) -> Iterator[str]:
    if record is None:
        yield f"{path} is there and not whole"
        return
    for name, entry in record["files"].items():
        yield from _wrong(tree, path, f"hours/{hour}/{record['folder']}/{name}", entry["sha256"])
    rates, cases = record["inputs"]["rates"], record["inputs"]["cases"]
    yield from _wrong(tree, path, f"rates/{rates}.txt", rates)
    yield from _wrong(tree, path, f"cases/{cases}.ndjson", cases)
    for batch in record["inputs"]["batches"]:
        if f"batches/{batch}.json" not in tree:
            yield f"{path} is of batch {batch}, which is not there"
    if record["parent"] and f"hours/{hour}/{record['parent']:06d}.json" not in tree:
        yield f"{path} has no parent"


def _broken_batch(
    tree: Tree, path: str, batch: str, record: dict[str, Any] | None
) -> Iterator[str]:
    if record is None:
        yield f"{path} is there and not whole"
        return
    for hour, entry in record["hours"].items():
        file = f"events/hour={hour}/{batch}"
        if "sha256" in entry:
            yield from _wrong(tree, path, f"{file}.parquet", entry["sha256"])
        if "voids" in entry:
            yield from _wrong(tree, path, f"{file}.voids.parquet", entry["voids"]["sha256"])
    if record["quarantine"]:
        yield from _wrong(tree, path, f"quarantine/{batch}.ndjson", record["quarantine"]["sha256"])


def _foreign_tree(tree: Tree) -> Iterator[str]:
    """A home without the id that its tree bears would refuse to export to it."""
    if "tree/@home.json" not in tree:
        return
    try:
        owner = json.loads(tree["tree/@home.json"])["home"]
    except ValueError:
        yield "tree/@home.json is not whole"
        return
    record = _record(tree.get("home.json", b""))
    if record is None or record["id"] != owner:
        yield "tree/@home.json names a home that home.json is not of"


def _is_known(tree: Tree, tree_id: str) -> bool:
    """Whether the home's marks of the exported tree count: both sides have its id and state."""
    sides = []
    for path in ("tree/@home.json", f"exports/{tree_id}/tree.json"):
        try:
            record = json.loads(tree.get(path, b""))
        except ValueError:
            return False
        sides.append((record["tree"], record["state"]))
    return sides[0] == sides[1]


def _broken_export(tree: Tree, path: str, hour: str, content: bytes) -> Iterator[str]:
    """A mark that names the newest documents vouches for the files of all customers.

    One that does not, or is torn, has the hour exported anew.
    """
    newest = max(name for name in tree if _is_manifest(name, hour))
    record = _record(tree[newest]) or {}
    try:
        documents = json.loads(content)["sha256"]
    except ValueError:
        return
    if documents == record["files"]["documents.ndjson"]["sha256"]:
        lines = tree[f"hours/{hour}/{record['folder']}/documents.ndjson"]
        for line in lines.splitlines():
            one = json.loads(line)
            file = f"tree/{one['customerId']}/{one['document']['data']['timestamp']}.json"
            # The document is the last member of the line's object.
            document = line.partition(b'"document":')[2][:-1]
            yield from _wrong(tree, path, file, _sha256(document))


def _wrong(tree: Tree, by: str, path: str, sha256: str) -> Iterator[str]:
    if path not in tree:
        yield f"{by} names {path}, which is not there"
    elif _sha256(tree[path]) != sha256:
        yield f"{by} names {path}, which is another or not whole"


@lru_cache(maxsize=4_096)
def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@lru_cache(maxsize=4_096)
def _record(content: bytes) -> dict[str, Any] | None:
    """A sealed record; None where it is not whole."""
    try:
        record: dict[str, Any] = json.loads(content)
        record.pop("digest")
        return record if to_sealed_json(record) == content else None
    except (ValueError, KeyError, AttributeError):
        return None
