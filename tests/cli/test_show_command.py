"""`hourtally show`: quantities, clusters, and whether the hour is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from hourtally.cli.app import call
from hourtally.cli.output.view_tables import view_tables
from hourtally.store.layout import Home
from tests.support.homes.damaged_home import golden_home
from tests.support.homes.golden_hour import HOUR

STALE = f"hourtally: hour {HOUR} is stale (rates changed): the next `hourtally run` builds it again"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return golden_home(tmp_path)


def show(home: Home, *arguments: str) -> int:
    return call(["show", HOUR, "--home", str(home.root), *arguments])


def test_quantities_and_clusters_stand_beside_the_prices(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(home, "--customer", "globex", "--usage") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    headings = "total share vcpu memory gpu memory cluster vCPU-h memory GiB-h gpu memory GiB-h"
    assert [*headings.split(), "cluster-h"] in lines
    # Of k1 half an hour: 16 vCPUs, 64 GiB, 40 GiB; in cents 4 + 3.2 + 5 + 5, of 17.200002778.
    k1 = "Eins (k1) 17.2 100.0% 4 3.2 5 5 8 32 20 0.5"
    k2 = "k2 0.000002778 0.0% - - - 0.000002778 - - - 0.000000278"
    assert k1.split() in lines
    assert k2.split() in lines
    # 3 vCPUs and 1 GiB for an hour.
    assert ["api", "3.5", "100.0%", "3", "0.5", "-", "-", "3", "1", "-", "-", "-"] not in lines
    assert ["PaaS", "3.5", "100.0%", "3", "0.5", "-", "-", "3", "1", "-", "-", "-"] in lines


def test_filters_apply_to_quantities(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(home, "--customer", "acme", "--usage", "--type", "volume") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    paas = "PaaS 0.000000002 100.0% - - 0.000000002 - - - 0.00390625 - -"
    assert paas.split() in lines


def test_where_one_table_is_too_wide_quantities_have_their_own(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(home, "--customer", "acme", "--usage", "--json", "--team", "ml") == 0
    view = capsys.readouterr().out.encode()
    [together] = view_tables(view, None)
    assert view_tables(view, len(together[1])) == [together]
    of_prices, of_hours = view_tables(view, len(together[1]) - 1)
    assert of_prices[0].split() == ["total", "share", "cpu", "memory", "storage", "gpu"]
    assert of_hours[0].split() == [
        "vCPU-h",
        "memory",
        "GiB-h",
        "storage",
        "GiB-h",
        "GPU-h",
        "spot",
        "GPU-h",
    ]
    assert of_hours[1].split() == ["PaaS", "1.333333333", "-", "-", "1.166666667", "-"]


def test_a_stale_hour_is_shown_and_said_to_be_stale(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(home, "--customer", "acme", "--json") == 0
    current = capsys.readouterr()
    assert current.err == ""
    home.rates.write_text(home.rates.read_text().replace('"1440"', '"1441"'))
    assert show(home, "--customer", "acme", "--json") == 0
    stale = capsys.readouterr()
    assert stale.out == current.out
    assert stale.err.splitlines() == [STALE]
    # Of a revision that was asked for by number it is not said.
    assert show(home, "--customer", "acme", "--json", "--revision", "1") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [None, "currency ="])
def test_without_a_card_nothing_is_said(
    home: Home, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    home.rates.unlink()
    if content is not None:
        home.rates.write_text(content)
    assert show(home, "--customer", "acme") == 0
    assert capsys.readouterr().err == ""


def test_the_card_may_lie_elsewhere(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    other = home.root / "other.toml"
    other.write_text(home.rates.read_text().replace('"1440"', '"1441"'))
    assert show(home, "--customer", "acme", "--rates", str(other)) == 0
    assert capsys.readouterr().err.splitlines() == [STALE]


def test_a_card_that_is_named_must_be_right(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    (home.root / "other.toml").write_text("currency =")
    named = str(home.root / "other.toml")
    assert show(home, "--customer", "acme", "--rates", named) == 1
    assert "other.toml" in capsys.readouterr().err
