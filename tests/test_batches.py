"""Slices against their ingest records, before anything is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally import build as building
from hourtally import explain as explaining
from hourtally import revision_files
from hourtally.errors import Damaged
from hourtally.interrupts import Stop
from hourtally.revisions import current_manifest
from tests.damaging import AFTER_MS, CARD, GOLDEN, SETTINGS, flip_middle, golden_home, slices_of


def never(*_: object) -> None:
    raise AssertionError


def test_of_damaged_slices_nothing_is_read_as_polars_may_panic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = golden_home(tmp_path)
    path, _ = slices_of(home, "a1")
    flip_middle(path)
    monkeypatch.setattr(revision_files, "meter", never)
    monkeypatch.setattr(explaining, "slices_with", never)
    manifest = current_manifest(home, GOLDEN)
    assert manifest is not None

    for use in (
        lambda: building.build_together(
            home, CARD, [GOLDEN], AFTER_MS, SETTINGS, never, Stop(), force=True
        ),
        lambda: explaining.explain(home, manifest, "acme", "api"),
    ):
        with pytest.raises(Damaged) as damage:
            use()
        assert damage.value.path == path
