from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping

import pytest

from hourtally.cli.output.view_tables import print_view, view_tables
from hourtally.model.hours import Hour
from hourtally.published.zero_documents import zero_document

HOUR = Hour(1793610000)  # 2026-11-02T09
NO_FILTERS = {"team": None, "project": None, "type": None}


def price(total: str, cpu: str, memory: str = "0") -> str:
    return f'{{"total":{total},"cpu":{cpu},"memory":{memory},"storage":0,"gpu":0}}'


def view_of(teams: str, paas: str, vcpu: str = "0") -> bytes:
    return (
        f'{{"data":{{"timestamp":1793610000,"paasUsage":{{"price":{paas},"teams":[{teams}]}},'
        f'"byocUsage":{{"price":{{"total":{vcpu},"vcpu":{vcpu},"memory":0,"gpuMemory":0,'
        '"cluster":0}}}}'
    ).encode()


# 8 + 4.25 = 12.25; 8 of it is 65.3 %, 4.25 is 34.7 % (34.69...).
DEEP = view_of(
    f'{{"id":"t1","name":"Web","price":{price("12.25", "12", "0.25")},"projects":['
    f'{{"id":"p1","name":"p1","price":{price("12.25", "12", "0.25")},"resourceTypes":['
    f'{{"resourceType":"job","price":{price("8", "8")},"resources":['
    f'{{"id":"r1","name":"Nightly report","price":{price("8", "8")}}}]}},'
    f'{{"resourceType":"volume","price":{price("4.25", "4", "0.25")},"resources":['
    f'{{"id":"r2","name":"r2","price":{price("4.25", "4", "0.25")}}}]}}]}}]}}',
    price("12.25", "12", "0.25"),
    vcpu="3.5",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(
    capsys: pytest.CaptureFixture[str],
    view: bytes,
    customer: str = "acme",
    filters: Mapping[str, str | None] = NO_FILTERS,
) -> list[str]:
    print_view(view, HOUR, customer, "USD", filters)
    return capsys.readouterr().out.splitlines()


def test_a_view_indents_levels_and_aligns_decimal_points(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, DEEP) == [
        "acme, hour 2026-11-02T09 (UTC); cents, USD",
        "                             total   share  cpu  memory  storage  gpu",
        "PaaS                         12.25  100.0%   12    0.25        -    -",
        "  Web (t1)                   12.25  100.0%   12    0.25        -    -",
        "    p1                       12.25  100.0%   12    0.25        -    -",
        "      job                     8      65.3%    8    -           -    -",
        "        Nightly report (r1)   8      65.3%    8    -           -    -",
        "      volume                  4.25   34.7%    4    0.25        -    -",
        "        r2                    4.25   34.7%    4    0.25        -    -",
        "",
        "               total   share  vcpu  memory  gpu memory  cluster",
        "BYOC clusters    3.5  100.0%   3.5       -           -        -",
        "",
        "PaaS and BYOC total 15.75",  # 12.25 + 3.5
    ]


def test_in_a_narrow_terminal_components_become_rows() -> None:
    # 12 of 12.25 is 98.0 % (97.95...), 0.25 of it 2.0 % (2.04...).
    assert view_tables(DEEP, 69)[0] == view_tables(DEEP, None)[0]
    assert view_tables(DEEP, 68)[0] == [
        "                             total   share",
        "PaaS                         12.25  100.0%",
        "  of which cpu               12      98.0%",
        "  of which memory             0.25    2.0%",
        "  of which storage            -       0.0%",
        "  of which gpu                -       0.0%",
        "  Web (t1)                   12.25  100.0%",
        "    p1                       12.25  100.0%",
        "      job                     8      65.3%",
        "        Nightly report (r1)   8      65.3%",
        "      volume                  4.25   34.7%",
        "        r2                    4.25   34.7%",
    ]


def test_a_long_label_is_cut_while_components_still_fit() -> None:
    team = f'{{"id":"t","name":"{"n" * 40}","price":{price("1", "1")}}}'
    # "  " and 40 and " (t)" are 46 cells of a label; the components take 42.
    whole = view_tables(view_of(team, price("1", "1")), None)[0]
    assert len(whole[1]) == 88

    cut = view_tables(view_of(team, price("1", "1")), 74)[0]
    narrow = view_tables(view_of(team, price("1", "1")), 73)[0]

    # 32 cells: 15, the sign of the cut, 16.
    assert cut[2][:33] == "  " + "n" * 13 + "…" + "n" * 12 + " (t) "
    assert [len(row) for row in cut] == [74, 74, 74]
    assert narrow[2].startswith("  of which cpu")


def test_labels_are_cut_in_the_middle_and_prices_never() -> None:
    paas, _, _ = view_tables(DEEP, 38)

    assert paas[0] == "                         total   share"
    assert paas[9] == "        Nig…report (r1)   8      65.3%"
    assert max(map(len, paas)) == 38


def test_in_the_narrowest_terminal_a_label_keeps_16_cells() -> None:
    paas, _, _ = view_tables(DEEP, 1)

    assert paas[9] == "       …ort (r1)   8      65.3%"


def test_wide_characters_count_as_two_cells() -> None:
    team = f'{{"id":"t","name":"客户","price":{price("1", "1")}}}'
    rows = view_tables(view_of(team, price("1", "1")), None)[0]

    # Two characters in four cells: two characters fewer than the heading's line.
    assert rows[2] == "  客户 (t)      1  100.0%    1       -        -    -"
    assert len(rows[2]) == len(rows[1]) - 2


def test_a_wide_character_is_not_cut_in_half() -> None:
    team = f'{{"id":"t","name":"{"客" * 20}","price":{price("1", "1")}}}'
    rows = view_tables(view_of(team, price("1", "1")), 31)[0]

    # 15 of 16 cells: 2 and 4, 1, 4 and 4. A character more on either side would make it 17.
    assert rows[6] == "  客客…客客 (t)" + " " + "      1  100.0%"


def test_filters_are_in_the_heading(capsys: pytest.CaptureFixture[str]) -> None:
    filters = {"team": "t1", "project": None, "type": "job"}

    assert shown(capsys, DEEP, filters=filters)[0] == (
        "acme, hour 2026-11-02T09 (UTC), team t1, type job; cents, USD"
    )


def test_an_empty_view_has_no_shares_and_no_byoc_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, zero_document(1793610000)) == [
        "acme, hour 2026-11-02T09 (UTC); cents, USD",
        "      total  share  cpu  memory  storage  gpu",
        "PaaS      -           -       -        -    -",
        "No usage in this hour. Ids must match the events exactly.",
    ]


def test_filters_that_match_nothing_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    filters = {"team": "t2", "project": None, "type": None}

    lines = shown(capsys, view_of("", price("0", "0"), vcpu="3.5"), filters=filters)

    assert lines[-2:] == ["PaaS and BYOC total 3.5", "No resources match these filters."]


def test_a_view_with_clusters_only_has_no_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = shown(capsys, view_of("", price("0", "0"), vcpu="3.5"))

    assert lines[-1] == "PaaS and BYOC total 3.5"


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    # Escape, bell, C1's CSI, a right-to-left override; rich's markup stays text.
    name = "\\u001b[31m\\u0007\u009b\u202e[red]"
    team = f'{{"id":"t","name":"{name}","price":{price("1", "1")}}}'
    lines = shown(capsys, view_of(team, price("1", "1")), customer="[b]a\x1b\udcff")

    assert lines[0] == "[b]a\\u{1b}\\u{dcff}, hour 2026-11-02T09 (UTC); cents, USD"
    assert lines[3].startswith("  \\u{1b}[31m\\u{7}\\u{9b}\\u{202e}[red] (t)")


def test_on_a_terminal_width_is_respected_and_headings_are_bold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    print_view(DEEP, HOUR, "acme", "USD", NO_FILTERS)
    lines = terminal.getvalue().splitlines()

    assert lines[0] == "\x1b[1macme, hour 2026-11-02T09 (UTC); cents, USD\x1b[0m"
    assert lines[3] == "  of which cpu               12      98.0%"


def test_rich_markup_in_an_id_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    print_view(DEEP, HOUR, "[red]a[/red]:bug:", "USD", NO_FILTERS)
    heading, *_ = terminal.getvalue().splitlines()

    assert heading == "\x1b[1m[red]a[/red]:bug:, hour 2026-11-02T09 (UTC); cents, USD\x1b[0m"


def test_piped_output_does_not_import_rich() -> None:
    program = (
        "import sys\n"
        "from hourtally.model.hours import Hour\n"
        "from hourtally.cli.output.view_tables import print_view\n"
        f"print_view({DEEP!r}, Hour({HOUR.timestamp}), 'acme', 'USD', {{}})\n"
        "print('rich' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()

    assert lines[0] == "acme, hour 2026-11-02T09 (UTC); cents, USD"
    assert lines[-1] == "False"
