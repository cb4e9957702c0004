"""What every test shares: which tests run, how hypothesis searches, and an isolated Prefect."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from hourtally.jobs.prefect_environment import serverless_environment
from hourtally.store.layout import Home

if TYPE_CHECKING:
    from tests.support.prefect_server import PrefectServer

# The first example may import Polars or DuckDB, which takes longer than any deadline.
settings.register_profile("dev", deadline=None)
# In CI the same examples every time: whether a change passes must not depend on luck.
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Prefect reads its environment when a test module imports it: no telemetry, no files in the
# user's home folder, no server of theirs.
_prefect_folder = tempfile.TemporaryDirectory(prefix="hourtally-tests-")
_environment = serverless_environment(Home(Path(_prefect_folder.name)), os.environ)
for _name in os.environ.keys() - _environment.keys():
    del os.environ[_name]
os.environ.update(_environment)
# Tests call tasks outside a flow; their logs then belong to no run.
os.environ["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long",
        action="store_true",
        help="run the tests of tests/torture at full length instead of as a short sample",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests with a Prefect server as slow; deselect what runs only with `--long`."""
    left_out = []
    for item in items:
        if "prefect_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("long") and not config.getoption("--long"):
            left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the tests of tests/torture run at full length."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="module", params=["small files", "large files"])
def both_ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """Read the small Parquet files of a test as such, and then as large ones are read."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large files":
            patch.setattr("hourtally.ingest.parquet.small_file._MOST_ROWS", 0)
        yield


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[PrefectServer]:
    """One real Prefect server for all tests; it takes 9 seconds to start."""
    # Prefect must not be imported before the environment is set, above.
    from tests.support.prefect_server import PrefectServer

    with tempfile.TemporaryDirectory(prefix="hourtally-prefect-") as folder:
        server = PrefectServer(Path(folder))
        server.start()
        yield server
        server.stop()
