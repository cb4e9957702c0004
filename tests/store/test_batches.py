"""Slices against their ingest records, before anything is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.build import metered_hours, publish
from hourtally.errors import Damaged
from hourtally.published import explain, explained_slices
from hourtally.runtime.interrupts import Stop
from hourtally.store.manifests import current_manifest
from tests.support.homes.damaged_home import (
    AFTER_MS,
    CARD,
    GOLDEN,
    SETTINGS,
    flip_middle,
    golden_home,
    slices_of,
)


def never(*_: object) -> None:
    raise AssertionError


def test_of_damaged_slices_nothing_is_read_as_polars_may_panic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = golden_home(tmp_path)
    path, _ = slices_of(home, "a1")
    flip_middle(path)
    monkeypatch.setattr(metered_hours, "meter", never)
    monkeypatch.setattr(explained_slices, "scan_slices", never)
    manifest = current_manifest(home, GOLDEN)
    assert manifest is not None

    context = publish.BuildContext(home, CARD, AFTER_MS, SETTINGS, force=True)
    for use in (
        lambda: publish.build_together(context, [GOLDEN], never, Stop()),
        lambda: explain.explain(home, manifest, "acme", "api"),
    ):
        with pytest.raises(Damaged) as damage:
            use()
        assert damage.value.path == path
