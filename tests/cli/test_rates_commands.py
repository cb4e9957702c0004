"""The commands for rate cards, on the sample: what they print, and how they exit."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hourtally.cli.app import call
from hourtally.jobs.sample import write_sample
from tests.support.command_line import everything

NOW = "2026-11-02T12:15:00Z"
DAY = ("--from", "2026-11-02", "--to", "2026-11-03", "--now", NOW)
DECEMBER = """
[[rate]]
id = "cpu-december"
meter = "paas.cpu"
price_cents = "1300"
per = "vcpu-month"
active_from = 2026-12-01T00:00:00Z
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, built. The commands here write nothing into it."""
    folder = tmp_path_factory.mktemp("home")
    write_sample(folder)
    assert call(["run", "--home", str(folder), "--now", NOW]) == 3
    return folder


def card(home: Path, tmp_path: Path, added: str = "", **replaced: str) -> Path:
    """The sample's card with some texts replaced and rates added."""
    text = (home / "rates.toml").read_text()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "card.toml"
    path.write_text(text + added)
    return path


def said(capsys: pytest.CaptureFixture[str], status: int, *arguments: str | Path) -> str:
    """Standard output of a command that ends with this status."""
    capsys.readouterr()
    assert call([str(argument) for argument in arguments]) == status
    return capsys.readouterr().out


def document(
    capsys: pytest.CaptureFixture[str], status: int, *arguments: str | Path
) -> dict[str, Any]:
    text = said(capsys, status, *arguments, "--json")
    found: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return found


# globex: 8.4 vCPU in each of three hours, half an hour and three quarters of 2 vCPU more. By the
# month of 720 hours at 1200 cents: 14 + 14 + 1.666666667 + 14 + 2.5. At 1300 cents, rounded by
# resource: 3 x (14.444444444 + 0.722222222) + 1.805555556 + 2.708333333.
GLOBEX_CPU = ("46.166666667", "50.013888887", "3.84722222")


def test_a_preview_prints_before_after_and_difference_the_largest_first(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(home, tmp_path, **{'"1200"': '"1300"'})
    before = everything(home)
    lines = said(capsys, 0, "rates", "preview", path, *DAY, "--home", home).splitlines()
    assert everything(home) == before
    assert lines[0] == (
        f"Preview of {path}: 3 closed hours of 2026-11-02T00 to 2026-11-03T00 (UTC); cents, USD"
    )
    assert lines[1].split() == ["meter", "before", "after", "difference"]
    assert lines[2].split()[0] == "total"
    assert lines[2].split()[-1] == f"+{GLOBEX_CPU[2]}"
    assert lines[3].split() == ["globex", "paas.cpu", *GLOBEX_CPU[:2], f"+{GLOBEX_CPU[2]}"]
    assert lines[4].split()[-1] == "-"


def test_a_preview_in_json_and_csv_has_the_same_exact_figures(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(home, tmp_path, **{'"1200"': '"1300"'})
    arguments = ("rates", "preview", path, *DAY, "--home", home)
    found = document(capsys, 0, *arguments)
    assert found["hours"]["priced"] == 3
    assert found["rows"][0] == {
        "customer_id": "globex",
        "meter": "paas.cpu",
        "currency": "USD",
        "before_cents": Decimal(GLOBEX_CPU[0]),
        "after_cents": Decimal(GLOBEX_CPU[1]),
        "difference_cents": Decimal(GLOBEX_CPU[2]),
    }
    [total] = found["totals"]
    assert total["after_cents"] == sum(row["after_cents"] for row in found["rows"])
    rows = list(csv.DictReader(io.StringIO(said(capsys, 0, *arguments, "--csv"))))
    assert list(rows[0].values()) == ["compared", "globex", "paas.cpu", "USD", *GLOBEX_CPU]
    assert len(rows) == len(found["rows"])


@pytest.mark.parametrize("level", ["team", "project", "type", "resource", "rate"])
def test_every_level_of_a_preview_adds_up_to_the_same_totals(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], level: str
) -> None:
    path = card(home, tmp_path, **{'"1200"': '"1300"'})
    arguments = ("rates", "preview", path, *DAY, "--home", home)
    found = document(capsys, 0, *arguments, "--by", level)
    assert found["totals"] == document(capsys, 0, *arguments)["totals"]
    for side in ("before_cents", "after_cents"):
        assert sum(row[side] for row in found["rows"]) == found["totals"][0][side]


def test_a_preview_that_would_hold_somebody_prints_the_missing_rate_and_exits_with_0(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(home, tmp_path, **{'"h100"': '"h10O"'})
    text = said(capsys, 0, "rates", "preview", path, *DAY, "--home", home)
    assert "Would be held, so without figures after: 1 customer" in text
    assert "# gpu_model 'h100': the card has 'h10O'" in text
    assert 'price_cents = ""' in text
    held = document(capsys, 0, "rates", "preview", path, *DAY, "--home", home)["would_be_held"]
    assert held["customers"] == [
        {"customer_id": "globex", "hours": 3, "first": "2026-11-02T09", "last": "2026-11-02T11"}
    ]
    assert [(gap["meter"], gap["gpu_model"], gap["hours"]) for gap in held["gaps"]] == [
        ("paas.gpu", "h100", 3)
    ]


def test_a_preview_of_a_range_without_usage_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--from", "2026-10-01", "--to", "2026-10-02", "--home", home, "--now", NOW)
    text = said(capsys, 0, "rates", "preview", home / "rates.toml", *arguments)
    assert text.splitlines()[1:] == ["No closed hour of the range has usage or a revision."]


def test_two_mistakes_that_make_a_card_wrong_are_told_at_once(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlap = DECEMBER.replace("cpu-december", "overlap") + "active_until = 2027-01-01T00:00:00Z\n"
    naive = DECEMBER.replace("cpu-december", "naive").replace("00:00:00Z", "00:00:00")
    path = card(home, tmp_path, DECEMBER + overlap + naive)
    assert said(capsys, 1, "rates", "check", path, "--home", home, "--now", NOW) == ""
    problems = document(capsys, 1, "rates", "check", path, "--home", home)["problems"]
    assert problems == [
        "rate 'naive': active_from is a date-time without an offset: write a date-time with an "
        "offset and without quotes, such as 2025-01-01T00:00:00Z",
        "rates 'cpu-december' and 'overlap' are both active from 2026-12-01T00:00:00Z until "
        "2027-01-01T00:00:00Z, for meter 'paas.cpu' and equal selectors (none): end one where the "
        "other starts",
    ]


def test_three_mistakes_that_only_usage_tells_are_told_by_a_check(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(
        home,
        tmp_path,
        DECEMBER.replace("cpu-december", "nobody") + 'customer = "initec"\n',
        # A typo in a model, and a pause of a second in which storage is used.
        **{
            'gpu_model = "h100"': 'gpu_model = "h10O"',
            'id = "storage"': 'id = "storage"\nactive_until = 2026-11-02T10:00:00Z',
        },
    )
    text = path.read_text() + DECEMBER.replace("cpu-december", "storage-2").replace(
        "paas.cpu", "paas.storage"
    ).replace("vcpu", "gib").replace("2026-12-01T00:00:00Z", "2026-11-02T10:00:01Z")
    path.write_text(text)
    arguments = ("rates", "check", path, "--home", home, "--now", NOW)
    lines = said(capsys, 1, *arguments).splitlines()
    assert (
        "Pause from 2026-11-02T10:00:00Z until 2026-11-02T10:00:01Z between rates 'storage' and "
        "'storage-2': usage then has a less specific rate, or none."
    ) in lines
    assert "Usage without a rate would hold 2 customers:" in lines
    assert "Nothing selects 2 rates (no usage matches): gpu-h100, nobody." in lines
    assert "gpu_model 'h100' in usage: the card has 'h10O'." in lines
    assert "customer 'initech' in usage: the card has 'initec'." in lines
    usage = document(capsys, 1, *arguments)["usage"]
    gaps = [
        (gap["customer_id"], gap["meter"], gap["resource_type"]) for gap in usage["without_rate"]
    ]
    assert gaps == [
        ("acme", "paas.storage", "addon"),
        ("acme", "paas.storage", "volume"),
        ("globex", "paas.gpu", "llm-model-deployment"),
    ]
    assert [one["id"] for one in usage["never_selected"]] == ["gpu-h100", "nobody"]


def test_a_check_lists_future_and_past_rates_apart_and_exits_with_0(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(home, tmp_path, DECEMBER)
    found = document(capsys, 0, "rates", "check", path, "--home", home, "--now", NOW)
    states = {rate["id"]: rate["state"] for rate in found["rates"]}
    assert (states["memory"], states["memory-november"]) == ("past", "in force")
    assert states["cpu-december"] == "future"
    text = said(capsys, 0, "rates", "check", path, "--home", home, "--now", NOW)
    titles = [line for line in text.splitlines() if line.endswith(":")]
    assert titles[1:] == [
        "Starting later:",
        "Ended:",
        "Usage of 3 hours, 2026-10-03T13 to 2026-11-02T13 (UTC):",
    ]


def test_a_check_without_a_home_says_that_there_is_no_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOURTALLY_HOME", str(tmp_path / "none"))
    path = tmp_path / "card.toml"
    path.write_text('currency = "USD"\n' + DECEMBER)
    lines = said(capsys, 0, "rates", "check", path, "--now", NOW).splitlines()
    assert lines[-1] == f"Not checked against usage: there is none in {tmp_path / 'none'}."
    assert "No rate now for paas.cpu, paas.memory, " in lines[-2]
    # A home that is asked for has to be there.
    assert said(capsys, 1, "rates", "check", path, "--from", "2026-11-02") == ""


def test_a_diff_names_rates_instants_and_the_hours_that_would_be_restated(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(home, tmp_path, DECEMBER, **{'"660"': '"600"'})
    arguments = ("rates", "diff", home / "rates.toml", path, "--home", home, "--now", NOW)
    lines = said(capsys, 0, *arguments).splitlines()
    assert [" ".join(line.split()) for line in lines[1:5]] == [
        "id change meter what matters from until",
        "cpu changed paas.cpu until open → 2026-12-01T00:00:00Z 2026-12-01T00:00:00Z open",
        "cpu-december added paas.cpu 1300 cents per vcpu-month, all 2026-12-01T00:00:00Z open",
        "memory-november changed paas.memory 660 cents per gib-month → 600 cents per gib-month "
        "2026-11-02T10:30:00Z open",
    ]
    assert lines[6:] == [
        f"2 published hours of {home} would be restated because of it:",
        "  2026-11-02T10 to 2026-11-02T11 (2 hours)",
    ]
    found = document(capsys, 0, *arguments)
    assert found["restated"] == {
        "count": 2,
        "hours": [{"first": "2026-11-02T10", "last": "2026-11-02T11", "hours": 2}],
    }
    assert [rate["change"] for rate in found["rates"]] == ["changed", "added", "changed"]


def test_equal_cards_differ_in_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "rates.toml"
    lines = said(capsys, 0, "rates", "diff", path, path, "--home", home, "--now", NOW).splitlines()
    assert lines[1:] == [
        "No rate differs.",
        "",
        f"No published hour of {home} would be restated because of it.",
    ]


@pytest.mark.parametrize(
    ("instant", "rate"),
    [
        ("2026-11-02T10:29:59.999Z", "memory"),
        ("2026-11-02T10:30:00Z", "memory-november"),
        ("2026-11-02T12:30:00+02:00", "memory-november"),
        ("2026-11-02T10", "memory"),
        ("2026-11-02", "memory"),
        ("1793617200", "memory-november"),  # 2026-11-02T11
    ],
)
def test_the_rates_at_an_instant_are_those_in_force_then(
    home: Path, capsys: pytest.CaptureFixture[str], instant: str, rate: str
) -> None:
    found = document(capsys, 0, "rates", "at", instant, "--home", home)
    assert [one["id"] for one in found["rates"] if one["meter"] == "paas.memory"] == [rate]
    assert found["meters_without_rate"] == []
    lines = said(capsys, 0, "rates", "at", instant, "--home", home).splitlines()
    assert [line.split()[0] for line in lines if "paas.memory" in line] == [rate]


@pytest.mark.parametrize(
    "arguments",
    [
        ["at", "noon"],
        ["preview", "CARD", "--from", "2026-11-02"],
        ["preview", "CARD", *DAY, "--json", "--csv"],
        ["preview", "CARD", *DAY, "--by", "meter"],
        ["preview", "CARD", "--from", "2026-11-02", "--to", "2026-11-02"],
        ["check", "CARD", "--from", "2026-11-03", "--to", "2026-11-02"],
        ["diff", "CARD"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_with_2(
    home: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(home / "rates.toml") if one == "CARD" else one for one in arguments]
    assert said(capsys, 2, "rates", *given, "--home", home) == ""
