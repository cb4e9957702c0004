"""schemathesis checks the running server against its /openapi.json."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from hourtally.server.tokens import add_token
from tests.support.command_line import NOW, ROOT, environment, hourtally
from tests.support.http_server import Served, serving

OPERATIONS = (
    "/v1/billing/usage",
    "/v1/billing/usage/{timestamp}",
    "/v1/teams/{teamId}/billing/usage",
    "/v1/teams/{teamId}/billing/usage/{timestamp}",
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("openapi")
    shutil.copytree(ROOT / "data" / "sample", folder / "home")
    assert hourtally("run", "--home", folder / "home", "--now", NOW).returncode == 3
    return folder


@pytest.fixture(scope="module")
def token(sample: Path) -> str:
    return add_token(sample / "tokens", "acme", 0)


@pytest.fixture(scope="module")
def served(sample: Path, token: str) -> Iterator[Served]:
    assert token
    with serving(sample / "home", "--tokens", sample / "tokens", log=sample / "log") as served:
        yield served


def test_responses_match_the_description(served: Served, token: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {token}", "--seed", "1", "--no-color"),
            *("--max-examples", "15", "--continue-on-failure", "--generation-database", "none"),
            # A request that fits the schema may break a rule that a schema cannot express; the
            # next test checks these.
            *("--exclude-checks", "positive_data_acceptance"),
        ],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Operations:       5 selected / 5 total" in done.stdout


@pytest.mark.parametrize("path", OPERATIONS)
def test_a_request_that_fits_the_schema_fails_only_for_rules_in_descriptions(
    served: Served, token: str, path: str
) -> None:
    api: Any = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    headers = {"Authorization": f"Bearer {token}"}

    @given(case=api[path]["GET"].as_strategy(headers=headers))
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        response = case.call()
        query = case.query or {}
        in_path = {name: unquote(str(v)) for name, v in (case.path_parameters or {}).items()}
        newer = query.get("removeLegacyFields") in (True, "true")
        levels = ("teams", "projects", "resources")
        of_levels = {f"{level}{name}" for level in levels for name in ("Page", "PerPage")}
        broken = (
            (not newer and not of_levels.isdisjoint(query))
            or (newer and "{timestamp}" in path and not {"page", "per_page"}.isdisjoint(query))
            or ("endTime" in query and "startTime" not in query)
            or {"per_page", "perPage"} <= query.keys()
            or query.get("teamId", in_path.get("teamId"))
            != in_path.get("teamId", query.get("teamId"))
            or "cursor" in query
        )
        assert response.status_code in ((400,) if broken else (200, 304, 404)), response.text

    ask()


def test_a_server_of_one_customer_is_described_without_tokens(served: Served, sample: Path) -> None:
    with serving(sample / "home", "--customer", "acme", log=sample / "open.log") as open_one:
        described = open_one.get("/openapi.json").json()
    with_tokens = served.get("/openapi.json").json()

    assert with_tokens.pop("security") == [{"bearer": []}]
    assert described == with_tokens
