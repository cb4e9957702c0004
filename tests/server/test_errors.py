"""HTTP errors: status, id and the JSON shape that all of them share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from hourtally.model.hours import Hour
from hourtally.server.tokens import add_token
from hourtally.store.layout import Home
from tests.support.handwritten_revisions import document, publish
from tests.support.http_server import Served, serving

HOUR = 1795352400  # 2026-11-22T13
VIEW = f"/v1/billing/usage/{HOUR}"
LIST = "/v1/billing/usage"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    return add_token(tmp_path_factory.getbasetemp() / "tokens", "acme", 0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, token: str) -> Iterator[Served]:
    assert token
    folder = tmp_path_factory.mktemp("refusals")
    publish(Home(folder), Hour(HOUR), {"acme": document(HOUR, cpu="3")})
    tokens = tmp_path_factory.getbasetemp() / "tokens"
    with serving(folder, "--tokens", tokens, log=folder / "log") as served:
        yield served


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and id of an error; checks its shape."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["status", "message", "id"]
    assert body["error"]["status"] == response.status_code
    assert body["error"]["message"]
    return response.status_code, body["error"]["id"]


@pytest.mark.parametrize(
    ("path", "status", "id"),
    [
        ("/v1/billing/usage/2026-11-22T13", 400, "bad_timestamp"),
        ("/v1/billing/usage/1795352400.0", 400, "bad_timestamp"),
        ("/v1/billing/usage/%D9%A1", 400, "bad_timestamp"),  # an Arabic 1
        ("/v1/billing/usage/+1795352400", 400, "bad_timestamp"),
        ("/v1/billing/usage/%201795352400", 400, "bad_timestamp"),
        ("/v1/billing/usage/1795352400%00", 400, "bad_timestamp"),
        ("/v1/billing/usage/%FF", 400, "bad_parameter"),
        (f"/v1/teams/%FF/billing/usage/{HOUR}", 400, "bad_parameter"),
        (f"{VIEW}?resourceType=server", 400, "unknown_resource_type"),
        (f"{VIEW}?resourceType=", 400, "unknown_resource_type"),
        (f"{VIEW}?teamId=", 400, "bad_parameter"),
        (f"{VIEW}?projectId=", 400, "bad_parameter"),
        (f"{VIEW}?teamId=a&teamId=a", 400, "bad_parameter"),
        (f"{VIEW}?teamId=%FF", 400, "bad_parameter"),
        (f"{VIEW}?" + "&".join(f"p{n}=1" for n in range(33)), 400, "bad_parameter"),
        (f"/v1/teams/a/billing/usage/{HOUR}?teamId=b", 400, "team_contradiction"),
        ("/v1/teams/a/billing/usage?teamId=b", 400, "team_contradiction"),
        (f"{LIST}?endTime={HOUR}", 400, "bad_parameter"),
        (f"{LIST}?startTime=noon", 400, "bad_timestamp"),
        (f"{LIST}?startTime=", 400, "bad_timestamp"),
        (f"{LIST}?startTime={HOUR}&endTime=x", 400, "bad_timestamp"),
        (f"{LIST}?startTime=253402300800", 400, "bad_timestamp"),  # the year 10000
        (f"{LIST}?startTime={'9' * 5000}", 400, "bad_timestamp"),
        (f"{LIST}?per_page=0", 400, "bad_parameter"),
        (f"{LIST}?per_page=101", 400, "bad_parameter"),
        (f"{LIST}?perPage=ten", 400, "bad_parameter"),
        (f"{LIST}?per_page=", 400, "bad_parameter"),
        (f"{LIST}?per_page=5&perPage=5", 400, "bad_parameter"),
        (f"{LIST}?cursor=", 400, "bad_parameter"),
        (f"{LIST}?cursor=MTc5NTM1MjQwMQ", 400, "bad_parameter"),  # 1795352401, on no hour
        (f"{LIST}?cursor=IDE3OTUzNTI0MDA", 400, "bad_parameter"),  # a space before the digits
        (f"{LIST}?cursor=OTk5OTk5OTk5OTYwMA", 400, "bad_parameter"),  # beyond the year 9999
        (f"{LIST}?cursor=%C3%A9", 400, "bad_parameter"),
        (f"{LIST}?granularity=week", 400, "bad_parameter"),
        (f"{LIST}?removeLegacyFields=1", 400, "bad_parameter"),
        (f"{VIEW}?granularity=day", 400, "unknown_parameter"),
        (f"{VIEW}?teamsPage=1", 400, "bad_parameter"),
        (f"{VIEW}?removeLegacyFields=true", 409, "no_quantities"),
        (f"{LIST}?removeLegacyFields=true", 409, "no_quantities"),
        (f"/v1/billing/usage/{HOUR + 1}", 404, "hour_not_found"),
        (f"/v1/billing/usage/{HOUR + 3600}", 404, "hour_not_found"),
        (f"/v1/billing/usage/-{HOUR}", 404, "hour_not_found"),
        ("/v1/billing/usage/253402300800", 404, "hour_not_found"),
        ("/v1/billing/usage/-62135600400", 404, "hour_not_found"),
        (f"/v1/billing/usage/{'9' * 5000}", 404, "hour_not_found"),
        # A thousand times the year 9999, and a whole hour.
        (f"/v1/billing/usage/{3_600 * 10**14}", 404, "hour_not_found"),
        (f"/v1/billing/usage/-{3_600 * 10**14}", 404, "hour_not_found"),
        ("/v2", 404, "not_found"),
        ("/v1/billing/usage/", 404, "not_found"),
        ("/v1/billing", 404, "not_found"),
        (f"/v1/teams//billing/usage/{HOUR}", 404, "not_found"),
        (f"/v1/teams/a/b/billing/usage/{HOUR}", 404, "not_found"),
        ("/V1/billing/usage", 404, "not_found"),
        ("/v1/billing%2Fusage", 404, "not_found"),
        (f"{VIEW}?x={'a' * 8192}", 414, "target_too_long"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else None,
)
def test_an_invalid_request_gets_its_status_and_id(
    served: Served, token: str, path: str, status: int, id: str
) -> None:
    assert error_of(served.get(path, token)) == (status, id)


@pytest.mark.parametrize(
    "target",
    [
        f"/v1/billing/usage/../usage/{HOUR}",
        "/v1/billing/usage/../..",
        f"/v1/teams/a/../b/billing/usage/{HOUR}",
        "/v1/billing/usage/../../../../etc/passwd",
        f"//v1/billing/usage/{HOUR}",
        "/v1/billing/usage/1795352400/000001.json",
        "*",
    ],
)
def test_dots_and_slashes_in_a_path_are_not_resolved(
    served: Served, token: str, target: str
) -> None:
    assert served.status_of(target, token) == 404


@pytest.mark.parametrize("target", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "..", "%2F", "%00"])
def test_a_timestamp_never_names_a_file(served: Served, token: str, target: str) -> None:
    assert served.status_of(f"/v1/billing/usage/{target}", token) == 400


def test_an_unknown_parameter_is_refused_and_a_plus_is_a_space(served: Served, token: str) -> None:
    refused = served.get(f"{VIEW}?teamID=a", token)

    assert error_of(refused) == (400, "unknown_parameter")
    message = "Unknown parameter 'teamID'; the nearest known one is teamId."
    assert refused.json()["error"]["message"] == message
    assert served.get(f"{VIEW}?teamId=a+b", token).json()["data"]["paasUsage"]["teams"] == []


def test_leading_zeros_of_an_integer_are_ignored(served: Served, token: str) -> None:
    assert served.get(f"/v1/billing/usage/00{HOUR}", token).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"],
)
def test_a_missing_or_invalid_token_gets_401(
    served: Served, token: str, authorization: str
) -> None:
    for path in (VIEW, LIST, "/v1/billing/usage/abc"):
        headers = {"Authorization": authorization.format(token=token)} if authorization else {}
        response = httpx.get(served.url + path, headers=headers)
        assert error_of(response) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


def test_two_tokens_in_a_request_get_401(served: Served, token: str) -> None:
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer other")]

    assert error_of(httpx.get(served.url + VIEW, headers=headers)) == (401, "unauthorized")


def test_the_bearer_scheme_may_be_in_any_case(served: Served, token: str) -> None:
    response = httpx.get(served.url + VIEW, headers={"Authorization": f"bEARER {token}"})

    assert response.status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_other_methods_than_get_and_head_get_405(served: Served, token: str, method: str) -> None:
    for path in (VIEW, LIST, "/openapi.json"):
        headers = {"Authorization": f"Bearer {token}"}
        response = httpx.request(method, served.url + path, headers=headers, content=b"{}")
        assert error_of(response) == (405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD"


def test_large_headers_get_431(served: Served, token: str) -> None:
    response = served.get(VIEW, token, x_large="a" * 16_384)

    assert error_of(response) == (431, "headers_too_large")
