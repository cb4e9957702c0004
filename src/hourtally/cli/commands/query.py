"""Commands that answer questions over many hours: list, sql; and the schemas of answers."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from hourtally.cli.options import HomeOption, Id, LocalFile, hour_range
from hourtally.errors import InvalidArgument
from hourtally.model.components import ResourceType
from hourtally.model.hours import HourRange
from hourtally.model.printable import printable_message

if TYPE_CHECKING:
    from hourtally.published.listing import Listing

Flag = Annotated[bool, Parameter(negative="")]
FromOption = Annotated[str | None, Parameter(name="--from")]


def list_totals(
    *,
    customer: Id | None = None,
    team: Id | None = None,
    project: Id | None = None,
    type: ResourceType | None = None,
    from_: FromOption = None,
    to: str | None = None,
    by: Literal["customer", "team", "project", "type", "resource"] | None = None,
    granularity: Literal["hour", "day", "month", "total"] | None = None,
    units: Literal["cents", "currency"] = "cents",
    json: Flag = False,
    csv: Flag = False,
    home_option: HomeOption | None = None,
) -> int:
    """List totals and quantities over a range: newest period first, then by total.

    Hours that are not published, and hours in which a customer is held, are in no sum; standard
    error says which.

    Example: hourtally list --customer acme --by team --granularity day --from 2026-11-01

    Parameters
    ----------
    customer
        This customer only; default: all customers.
    team
        This team only.
    project
        Projects with this id only.
    type
        Resources of this type only.
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    by
        Group by this; default: all customers, or one customer's totals.
    granularity
        Period of each line; default: hour for one customer, else total. Days and months are UTC.
    units
        Print prices in cents, or in units of the currency.
    json
        Print one JSON document.
    csv
        Print the lines as CSV.
    """
    from hourtally.published.listing import Question, list_range
    from hourtally.store.durable import one_listing

    _check_formats(json=json, csv=csv)
    home = (home_option or HomeOption()).existing()
    question = Question(
        customer=customer,
        team=team,
        project=project,
        resource_type=type,
        by=by or ("customer" if customer is None else None),
        granularity=granularity or ("total" if customer is None else "hour"),
        hours=HourRange(*hour_range(from_, to)),
        components=json or csv,
    )
    with one_listing(home.root):
        listing = list_range(home, question)
    _print_listing(listing, units, json=json, csv=csv)
    return 0


def _print_listing(listing: Listing, units: str, *, json: bool, csv: bool) -> None:
    from hourtally.cli.output.queries import listing as tables
    from hourtally.cli.output.queries import listing_data as data

    if json:
        data.print_listing_json(listing, units)
    elif csv:
        data.print_listing_csv(listing, units)
        _say(data.byoc_sentences(listing, units))
    else:
        tables.print_listing(listing, units)
    _say(data.left_out_sentences(listing))


def _check_formats(*, json: bool, csv: bool) -> None:
    if json and csv:
        message = "give --json or --csv, not both"
        raise InvalidArgument(message)


def _say(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(printable_message(f"hourtally: {sentence}"), file=sys.stderr)


def sql(
    query: str | None = None,
    /,
    *,
    out: LocalFile | None = None,
    json: Flag = False,
    csv: Flag = False,
    home_option: HomeOption | None = None,
) -> int:
    """Query published hours with SQL (DuckDB), or write a database for other tools.

    Views over current revisions: charges, clusters, types, projects, teams, customers, hours,
    held, conflicts, batches, quarantined. Each has hour, a timestamp in UTC; money is in cents.

    Example: hourtally sql "SELECT customer_id, sum(total_cents) FROM customers GROUP BY ALL"

    Parameters
    ----------
    query
        One or several statements; the rows of the last one are printed.
    out
        Write a DuckDB database whose views follow later restatements; of a home in an object
        store it has tables of what is published now.
    json
        Print one JSON document.
    csv
        Print CSV.
    """
    home = (home_option or HomeOption()).existing()
    if (query is None) == (out is None):
        message = "give either a query, or --out to write a database"
        raise InvalidArgument(message)
    _check_formats(json=json, csv=csv)
    if out is not None:
        from hourtally.published.sql import write_database
        from hourtally.store.durable import has_folders

        write_database(home, out)
        _print_written(out, follows=has_folders(home.root), json=json)
        return 0
    from hourtally.cli.output.queries import rows
    from hourtally.published.sql import run_query
    from hourtally.settings import usable_cores

    found = run_query(home, query or "", usable_cores())
    if json:
        rows.print_rows_json(found)
    elif csv:
        rows.print_rows_csv(found)
    else:
        rows.print_rows(found)
    return 0


def schema(name: str, /) -> int:
    """Print the JSON Schema of a file, or of what a command prints with --json.

    Files: document, event, held, manifest, quarantined, record, usage. Commands: backfill, diff,
    explain, export, ingest, list, prune, rates-at, rates-check, rates-diff, rates-preview, run,
    sql, status, tokens, verify, withdraw.

    Example: hourtally schema event

    Parameters
    ----------
    name
        What to print the schema of.
    """
    from hourtally.model.json_schemas import schema_text

    sys.stdout.flush()
    sys.stdout.buffer.write(schema_text(name).encode())
    return 0


def _print_written(out: Path, *, follows: bool, json: bool) -> None:
    from hourtally.published.sql import VIEWS

    if json:
        from hourtally.cli.output.json_text import print_json

        print_json({"database": str(out), "views": list(VIEWS)})
        return
    what = ("views", "they follow later restatements") if follows else ("tables", "as of now")
    print(f"{out}: {what[0]} {', '.join(VIEWS)}; {what[1]}.")
