from __future__ import annotations

import json
from decimal import Decimal

import pytest

from hourtally.cli.output.json_text import Cents, print_json, to_json_text


def test_cents_are_exact_json_numbers() -> None:
    # 2^63 nanocents has 19 digits, more than a double holds.
    text = to_json_text({"total": Cents(2**63), "none": Cents(0), "less": Cents(-1)})
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == {
        "total": Decimal("9223372036.854775808"),
        "none": Decimal(0),
        "less": Decimal("-0.000000001"),
    }
    assert '"none": 0,' in text


def test_everything_else_is_printed_as_pythons_encoder_prints_it() -> None:
    document = {"a": [], "b": {}, "c": [1, "x\n\u2028é", None, True], "d": {"e": (2, [3])}}
    assert json.loads(to_json_text(document)) == json.loads(json.dumps(document))
    assert to_json_text(document) == json.dumps(document, ensure_ascii=False, indent=1)


def test_a_name_that_is_not_utf_8_is_printed_all_the_same(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    print_json({"file": "caf\udce9.ndjson"})
    assert json.loads(capfdbinary.readouterr().out)["file"] == "caf\udce9.ndjson"
