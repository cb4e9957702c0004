"""What a query found: a table, one JSON document, or CSV. Decimals are exact in all of them."""

from __future__ import annotations

import csv
import datetime as dt
import math
import sys
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hourtally.cli.output.json_text import print_json, to_json_text
from hourtally.cli.output.text_table import console, lines_of, print_lines, print_text, texts
from hourtally.errors import InvalidArgument

if TYPE_CHECKING:
    from hourtally.published.sql import Rows


def print_rows(found: Rows) -> None:
    """A table; numbers to the right, null as `null`."""
    out = console()
    if not found.columns:
        return
    if not found.rows:
        print_text(out, f"No rows. Columns: {', '.join(name for name, _ in found.columns)}.")
        return
    columns = []
    for number, (name, of) in enumerate(found.columns):
        cells = ["null" if row[number] is None else _text(row[number]) for row in found.rows]
        column = texts(name, cells)
        if _is_number(of):
            width = len(column[0])
            column = [cell.strip().rjust(width) for cell in column]
        columns.append(column)
    first, *others = columns
    print_lines(out, lines_of([cell.rstrip() for cell in first], others, None))


def print_rows_json(found: Rows) -> None:
    """One document: the columns with their types, and the rows as objects.

    Raises:
        InvalidArgument: two columns have one name.
    """
    names = [name for name, _ in found.columns]
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        message = f"several columns are named {twice[0]!r}: name them apart with AS"
        raise InvalidArgument(message)
    print_json(
        {
            "columns": [{"name": name, "type": of} for name, of in found.columns],
            "rows": [
                {name: _json_value(value) for name, value in zip(names, row, strict=True)}
                for row in found.rows
            ],
        }
    )


def print_rows_csv(found: Rows) -> None:
    """A heading and the rows; null is an empty field."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow([name for name, _ in found.columns])
    out.writerows([("" if value is None else _text(value)) for value in row] for row in found.rows)


def _is_number(of: str) -> bool:
    return of.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or of.endswith("INT") or "INTEGER" in of


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | Mapping):
        return " ".join(line.strip() for line in to_json_text(_json_value(value)).split("\n"))
    converted = _json_value(value)
    return converted if isinstance(converted, str) else to_json_text(converted)


def _json_value(value: Any) -> Any:
    """A value of DuckDB as JSON has it; what JSON lacks is text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str | Decimal):
        return value
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json_value(one) for one in value]
    return str(value)
