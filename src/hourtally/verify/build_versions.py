"""What the build versions before stored otherwise."""

from __future__ import annotations

from typing import Final

from hourtally.model.schemas import Schema
from hourtally.store.manifests import Manifest

_WITH_HELD: Final = 2
_WITH_QUANTITIES: Final = 3


def has_quantities(manifest: Manifest) -> bool:
    """Whether a revision has usage documents and quantities: not those of versions 1 and 2."""
    return bool(manifest.inputs["build"] >= _WITH_QUANTITIES)


def stored_schema(manifest: Manifest, schema: Schema) -> Schema:
    """The columns of a revision's table: build version 1 did not say who is held."""
    build = manifest.inputs["build"]
    without = {"held"} if build < _WITH_HELD else set()
    if not has_quantities(manifest):
        without |= {c for c in schema if c.endswith("_nanohours") or c.startswith("usage_")}
    return {c: t for c, t in schema.items() if c not in without}
