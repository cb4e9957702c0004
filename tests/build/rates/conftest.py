"""The homes of these tests are built without fsync, which is most of their time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.homes.small_home import many_small_builds


@pytest.fixture(autouse=True, scope="package")
def _quickly() -> Iterator[None]:
    with many_small_builds():
        yield
