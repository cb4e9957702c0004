"""A customer whose usage has no rate is held: what each command and the server say of its hours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from hourtally.cli.app import call
from hourtally.model.hours import Hour
from tests.support.http_server import Served, serving
from tests.torture.faults.two_hours import write_events

NOW: Final = ("--now", "2026-11-02T12:15:00Z")
FIRST, SECOND, THIRD = ("2026-11-02T09", "2026-11-02T10", "2026-11-02T11")
RANGE: Final = ("--from", FIRST, "--to", "2026-11-02T12")
CARD: Final = """
currency = "USD"
month_hours = 720

[[rate]]
id = "cpu"
meter = "paas.cpu"
price_cents = "2"
per = "vcpu-hour"
active_from = 2026-01-01T00:00:00Z

[[rate]]
id = "gpu"
meter = "paas.gpu"
price_cents = "100"
per = "gpu-hour"
gpu_model = "h100"
active_from = 2026-01-01T00:00:00Z
"""


def event(customer: str, start: str, end: str, **data: Any) -> dict[str, Any]:
    fields = {"customerId": customer, "teamId": "t", "projectId": "p", "resourceId": "r"}
    fields |= {"resourceType": "service", "start": f"{start}:00:00Z", "end": f"{end}:00:00Z"}
    return {
        "specversion": "1.0",
        "id": f"{customer}-{start}",
        "source": "/meter",
        "type": "metering.resource.v1",
        "data": fields | data,
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two customers in three hours; in the second one, acme comes to use a GPU without a rate."""
    root = tmp_path_factory.mktemp("held") / "home"
    root.mkdir()
    (root / "rates.toml").write_text(CARD)
    whole = [event(name, FIRST, "2026-11-02T12", cpuMillicores=1000) for name in ("acme", "globex")]
    write_events(root / "inbox" / "whole.ndjson", whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        assert call(["run", "--home", str(root), *NOW]) == 0
        assert call(["export", str(root.parent / "tree"), "--home", str(root)]) == 0
        gpu = event("acme", SECOND, THIRD, gpuMilli=1000, gpuModel="H100")
        write_events(root / "inbox" / "gpu.ndjson", [gpu])
        assert call(["run", "--home", str(root), *NOW]) == 1
        yield root


def said(
    capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, status: int
) -> tuple[str, str]:
    capsys.readouterr()
    assert call([*arguments, "--home", str(home)]) == status
    return capsys.readouterr()


def show(hour: str, customer: str = "acme") -> tuple[str, ...]:
    return ("show", hour, "--customer", customer)


@pytest.mark.parametrize("options", [(), ("--json",), ("--team", "other")])
def test_show_says_what_is_missing_and_prints_nothing(
    made: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    out, err = said(capsys, made, *show(SECOND), *options, *NOW, status=1)
    assert out == ""
    for part in ("acme", SECOND, "paas.gpu", "H100"):
        assert part in err


def test_the_revision_before_and_the_other_customer_are_shown(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = said(capsys, made, *show(SECOND), "--revision", "1", "--json", *NOW, status=0)
    assert json.loads(before)["data"]["paasUsage"]["price"]["total"] == 2
    other, _ = said(capsys, made, *show(SECOND, "globex"), "--json", *NOW, status=0)
    assert json.loads(other)["data"]["paasUsage"]["price"]["total"] == 2


def test_explain_prints_the_slices_and_the_gap_and_fails(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(
        capsys, made, "explain", SECOND, "--customer", "acme", "--resource", "r", status=1
    )
    assert "no charge: acme is held in this hour" in out
    assert f"acme-{SECOND}" in out
    assert f"acme-{FIRST}" in out
    assert "H100" in err


def test_list_leaves_the_hour_out_and_says_so(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(capsys, made, "list", "--customer", "acme", *RANGE, status=0)
    assert [hour for hour in (FIRST, SECOND, THIRD) if hour in out] == [FIRST, THIRD]
    assert "held" in err
    assert SECOND in err


def test_diff_shows_a_held_customer_as_held_not_as_removed(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = said(capsys, made, "diff", SECOND, status=0)
    assert "1 customer held" in out
    [row] = [line for line in out.splitlines() if line.lstrip().startswith("acme")]
    assert "held" in row
    assert "none" not in row


def test_verify_re_derives_who_is_held(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, made, "verify", *RANGE, status=0)


def test_the_manifest_and_customers_parquet_say_who_is_held(made: Path) -> None:
    folder = made / "hours" / SECOND
    manifest = json.loads((folder / "000002.json").read_bytes())
    assert manifest["rows"]["customers"] == 2
    customers = pl.read_parquet(folder / manifest["folder"] / "customers.parquet")
    held = customers.filter(customer_id="acme").row(0, named=True)
    assert held.pop("held") is True
    assert held.pop("customer_id") == "acme"
    assert set(held.values()) == {None}
    charges = pl.read_parquet(folder / manifest["folder"] / "charges.parquet")
    assert charges["customer_id"].to_list() == ["globex"]
    [gap] = pl.read_parquet(folder / manifest["folder"] / "held.parquet").rows(named=True)
    assert (gap["customer_id"], gap["meter"], gap["gpu_model"]) == ("acme", "paas.gpu", "H100")
    assert (gap["resources"], gap["resource_id"]) == (1, "r")


def exported(tree: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The files of customers, and the lines of those that are held."""
    files = sorted(str(path.relative_to(tree)) for path in tree.glob("[!@]*/*"))
    lines = (tree / "@held.ndjson").read_text().splitlines()
    return files, [json.loads(line) for line in lines]


def test_an_export_removes_the_file_of_a_held_customer_and_lists_it(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = made.parent / "tree"
    stamps = {name: Hour.parse(name).timestamp for name in (FIRST, SECOND, THIRD)}
    every = sorted(
        f"{name}/{stamp}.json" for name in ("acme", "globex") for stamp in stamps.values()
    )
    assert exported(tree) == (every, [])
    # A part that does not hold the hour changes nothing.
    said(capsys, made, "export", str(tree), "--from", FIRST, "--to", SECOND, status=0)
    said(capsys, made, "export", str(tree), "--customer", "globex", *RANGE, status=0)
    assert exported(tree) == (every, [])

    said(capsys, made, "export", str(tree), "--customer", "acme", *RANGE, status=0)

    rest = [name for name in every if name != f"acme/{stamps[SECOND]}.json"]
    line = {"customerId": "acme", "timestamp": stamps[SECOND]}
    assert exported(tree) == (rest, [line])
    said(capsys, made, "export", str(tree), "--customer", "globex", *RANGE, status=0)
    said(capsys, made, "export", str(tree), "--from", FIRST, "--to", SECOND, status=0)
    assert exported(tree) == (rest, [line])
    said(capsys, made, "export", str(tree), status=0)
    assert exported(tree) == (rest, [line])


@pytest.fixture(scope="module")
def served(made: Path) -> Iterator[Served]:
    with serving(made, "--customer", "acme", log=made.parent / "log") as served:
        yield served


def test_http_answers_409_for_the_hour(served: Served) -> None:
    answer = served.get(f"/v1/billing/usage/{Hour.parse(SECOND).timestamp}")
    assert (answer.status_code, answer.json()["error"]["id"]) == (409, "hour_held")
    assert "H100" in answer.json()["error"]["message"]
    assert served.get(f"/v1/billing/usage/{Hour.parse(FIRST).timestamp}").status_code == 200


def test_http_lists_leave_the_hour_out_and_say_so(served: Served) -> None:
    first, second, third = (Hour.parse(name).timestamp for name in (FIRST, SECOND, THIRD))
    body = served.get("/v1/billing/usage").json()
    assert [one["timestamp"] for one in body["data"]["usage"]] == [third, first]
    assert list(body) == ["data", "held", "pagination"]
    assert body["held"] == {"hours": 1, "first": second, "last": second}
    # A window without it says nothing.
    window = served.get(f"/v1/billing/usage?startTime={first}&endTime={second}").json()
    assert list(window) == ["data", "pagination"]


def test_the_printed_rate_closes_the_gap_and_only_its_hour_is_built(
    made: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    again, _ = said(capsys, made, "run", *NOW, status=1)
    said(capsys, made, "backfill", "--from", FIRST, "--to", SECOND, *NOW, status=0)
    lines = again[again.index("[[rate]]") :].splitlines()
    block = "\n".join(lines[: lines.index("")] if "" in lines else lines)
    assert 'meter = "paas.gpu"' in block
    assert "the card has 'h100'" in again
    card = tmp_path / "rates.toml"
    card.write_text(f"{CARD}\n{block}\n")
    assert call(["rates", "check", str(card)]) == 1
    assert "price_cents" in capsys.readouterr().err

    card.write_text(card.read_text().replace('price_cents = ""', 'price_cents = "50"'))
    planned, _ = said(
        capsys, made, "backfill", *RANGE, "--rates", str(card), "--dry-run", *NOW, status=0
    )
    assert [hour for hour in (FIRST, SECOND, THIRD) if hour in planned] == [SECOND]
