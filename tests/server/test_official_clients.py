"""The official Python clients of the API against our server, each in an environment of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hourtally.model.hours import Hour
from hourtally.server.tokens import add_token
from tests.support.command_line import NOW, ROOT, hourtally
from tests.support.http_server import Served, serving

pytestmark = pytest.mark.slow

VERSIONS = ("2.0.0", "2.1.0")
FIRST, LAST = (Hour.parse(f"2026-11-02T{hour}").timestamp for hour in ("09", "11"))
Call = tuple[str, dict[str, Any]]
# Makes each call of standard input with the client, waiting for it where it is asynchronous.
PROGRAM = """
import asyncio, inspect, json, sys
from northflank import ApiCallError, ApiClient, AsyncApiClient

url, token, kind = sys.argv[1:]
client = (AsyncApiClient if kind == "async" else ApiClient)(api_token=token, base_url=url)

def find(name):
    found = client
    for part in name.split("."):
        found = getattr(found, part)
    return found

async def make(name, arguments):
    try:
        response = find(name)(**arguments)
        if inspect.isawaitable(response):
            response = await response
    except ApiCallError as error:
        return {"status": error.status, "id": error.id, "message": error.message}
    pagination = response.pagination
    return {
        "status": response.status,
        "data": response.data,
        "more": None if pagination is None else pagination.has_next_page,
    }

async def main():
    return [await make(name, arguments) for name, arguments in json.load(sys.stdin)]

print(json.dumps(asyncio.run(main())))
"""

FILTERS: list[dict[str, Any]] = [
    {},
    {"team_id": "web"},
    {"project_id": "shop"},
    {"resource_type": "addon"},
    {"team_id": "web", "project_id": "shop", "resource_type": "service"},
    {"team_id": "none"},
]
LEVEL_PAGES: list[dict[str, Any]] = [
    {"teams_page": 1},
    {"teams_page": 2, "teams_per_page": 1},
    {"team_id": "web", "projects_per_page": 1},
    {"project_id": "shop", "resources_page": 1, "resources_per_page": 1},
    {"teams_per_page": 1, "projects_page": 1, "resources_page": 9},
]
WINDOWS: list[dict[str, Any]] = [
    {"start_time": FIRST + 3600},
    {"start_time": FIRST, "end_time": LAST},
    {"start_time": LAST + 7200},
]
OLDER_CALLS: list[Call] = [
    *(("get.usage", {"timestamp": str(FIRST), **filters}) for filters in FILTERS),
    ("get.usage", {"timestamp": str(FIRST), "page": 1, "per_page": 1}),
    ("get.usage", {"timestamp": str(FIRST), "project_id": "shop", "page": 2}),
    ("list.usage", {}),
    ("list.usage", {"team_id": "web"}),
    ("list.usage", {"per_page": 2}),
    *(("list.usage", window) for window in WINDOWS),
]
NEWER_CALLS: list[Call] = [
    *(("get.usage", {"timestamp": str(FIRST), **filters}) for filters in FILTERS),
    *(
        ("get.usage", {"timestamp": str(FIRST), "remove_legacy_fields": True, **more})
        for more in (*FILTERS, *LEVEL_PAGES)
    ),
    ("get.usage", {"timestamp": str(FIRST), "remove_legacy_fields": False}),
    *(
        ("list.usage", {"granularity": granularity, "remove_legacy_fields": newer, **more})
        for granularity in ("hour", "day", "month", "total")
        for newer in (False, True)
        for more in (*FILTERS, *WINDOWS)
    ),
    ("list.usage", {"per_page": 2}),
]
CALLS = {"2.0.0": OLDER_CALLS, "2.1.0": NEWER_CALLS}
# What is refused, with a part of the sentence that says why.
REFUSED: dict[str, list[tuple[Call, str]]] = {
    "2.0.0": [
        (("get.usage", {"timestamp": "noon"}), "'noon' is not an integer"),
        (
            ("get.usage", {"timestamp": str(FIRST), "resource_type": "server"}),
            "Unknown resourceType",
        ),
        (("get.usage", {"timestamp": str(FIRST), "per_page": 101}), "from 1 to 100"),
        (("list.usage", {"end_time": LAST}), "endTime requires startTime"),
        (("list.usage", {"cursor": "x"}), "Invalid cursor"),
    ],
    "2.1.0": [
        (("get.usage", {"timestamp": str(FIRST), **more}), "requires removeLegacyFields=true")
        for more in LEVEL_PAGES
    ]
    + [
        (("list.usage", {"granularity": "week"}), "use hour, day, month, total"),
        (("list.usage", {"per_page": 0}), "from 1 to 100"),
    ],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clients") / "home"
    shutil.copytree(ROOT / "data" / "sample", folder)
    assert hourtally("run", "--home", folder, "--now", NOW).returncode == 3
    return folder


@pytest.fixture(scope="module")
def token(home: Path) -> str:
    return add_token(home / "tokens.ndjson", "acme", 0)


@pytest.fixture(scope="module")
def served(home: Path, token: str) -> Iterator[Served]:
    assert token
    with serving(home, log=home.parent / "log") as served:
        yield served


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def python(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has the client and what it needs."""
    folder = tmp_path_factory.mktemp(f"northflank-{version}")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder)]
    install = [*pip, "install", "--quiet", f"northflank=={version}"]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"northflank {version} cannot be installed here: {done.stderr[-300:]}")
    return folder / "bin" / "python"


def make(python: Path, served: Served, token: str, calls: list[Call], kind: str) -> list[Any]:
    """What the client makes of each call."""
    done = subprocess.run(
        [python, "-c", PROGRAM, served.url, token, kind],
        input=json.dumps(calls),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def asked_directly(served: Served, token: str, call: Call) -> Any:
    """The response to the same request without a client."""
    name, arguments = call
    left = dict(arguments)
    team = left.pop("team_id", None)
    path = "/v1/billing/usage" if team is None else f"/v1/teams/{team}/billing/usage"
    if name.startswith("get"):
        path += f"/{left.pop('timestamp')}"
    query = {_camel(key): json.dumps(v) if v in (True, False) else v for key, v in left.items()}
    return served.get(f"{path}?{urlencode(query)}", token).json()


def _camel(name: str) -> str:
    if name in {"per_page", "page", "cursor", "granularity"}:
        return name
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_call_gets_the_answer_to_its_parameters(
    version: str, python: Path, served: Served, token: str, kind: str
) -> None:
    calls = CALLS[version]
    for call, got in zip(calls, make(python, served, token, calls, kind), strict=True):
        expected = asked_directly(served, token, call)
        assert (got["status"], got["data"]) == (200, expected["data"]), call
        if got["more"] is not None:
            assert got["more"] == expected["pagination"]["hasNextPage"], call


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_what_is_wrong_is_a_400_that_says_why(
    version: str, python: Path, served: Served, token: str, kind: str
) -> None:
    refused = REFUSED[version]
    answers = make(python, served, token, [call for call, _ in refused], kind)
    for (call, says), got in zip(refused, answers, strict=True):
        assert got["status"] == 400, call
        assert says in got["message"], call


def test_a_client_that_asks_for_months_gets_months(
    version: str, python: Path, served: Served, token: str
) -> None:
    if version == "2.0.0":
        pytest.skip("it knows no granularity")
    newer = {"granularity": "month", "remove_legacy_fields": True}
    [answer] = make(python, served, token, [("list.usage", newer)], "sync")
    [month] = answer["data"]["usage"]
    assert answer["data"]["granularity"] == "month"
    # The sum of the three hours of the sample.
    hours = asked_directly(served, token, ("list.usage", {"remove_legacy_fields": True}))
    totals = [hour["paas"]["usage"]["vcpuHours"] for hour in hours["data"]["usage"]]
    assert month["paas"]["usage"]["vcpuHours"] == pytest.approx(sum(totals))
    assert month["timestamp"] == FIRST


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_all_pages_come_to_the_whole_list(
    version: str, python: Path, served: Served, token: str, kind: str
) -> None:
    arguments: dict[str, Any] = {"per_page": 1}
    if version != "2.0.0":
        arguments |= {"granularity": "hour", "remove_legacy_fields": True}
    [answer] = make(python, served, token, [("list.usage.all", arguments)], kind)
    whole = asked_directly(served, token, ("list.usage", arguments | {"per_page": 100}))
    assert len(whole["data"]["usage"]) == 3
    # Where the data has more than a list, the client does not merge pages but lists them.
    pages = answer["data"] if isinstance(answer["data"], list) else [answer["data"]]
    assert [entry for page in pages for entry in page["usage"]] == whole["data"]["usage"]
