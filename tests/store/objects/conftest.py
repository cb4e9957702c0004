"""Homes in obstore's memory store."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from hourtally.store.layout import Home


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def bucket(cache: Path) -> Home:
    assert not cache.exists()
    return Home.at(f"memory://{secrets.token_hex(8)}/home")
