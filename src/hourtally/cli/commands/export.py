"""The command export."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from hourtally.cli.options import HomeOption, Id, Place, hour_range
from hourtally.errors import InvalidArgument
from hourtally.model.hours import HourRange

Flag = Annotated[bool, Parameter(negative="")]
FromOption = Annotated[str | None, Parameter(name="--from")]


def export(
    directory: Place,
    /,
    *,
    from_: FromOption = None,
    to: str | None = None,
    customer: Id | None = None,
    usage: Flag = False,
    focus: Literal["1.2", "1.3", "1.4"] | None = None,
    csv: Flag = False,
    rates: Place | None = None,
    json: Flag = False,
    home_option: HomeOption | None = None,
) -> int:
    """Export one JSON file per customer and hour: DIRECTORY/<customer>/<timestamp>.json.

    Files of restated hours are replaced or removed. With --focus: a FOCUS dataset, one file per
    hour under DIRECTORY/billing_period=<month>/.

    Example: hourtally export /srv/usage --from 2026-11-01T00 --to 2026-12-01T00

    Parameters
    ----------
    directory
        Folder or URL to export to; a folder is created if needed.
    from_
        First hour: 2026-11-22T13, 2026-11-22, an RFC 3339 time or Unix seconds;
        default: the first published one.
    to
        End of the range, exclusive; default: after the last published hour.
    customer
        Export this customer only; default: all customers.
    usage
        Export usage documents, which have quantities.
    focus
        Export the charges as a dataset of this version of FOCUS.
    csv
        With --focus: write CSV; default: Parquet.
    rates
        With --focus: rate card whose [focus] table names the provider; default: rates.toml in the
        home folder.
    json
        Print one JSON document.
    """
    from hourtally.cli import exports

    if focus is None and (csv or rates is not None):
        message = "--csv and --rates belong to --focus"
        raise InvalidArgument(message)
    if focus is not None and (usage or customer is not None):
        message = "--focus exports the charges of all customers: leave out --usage and --customer"
        raise InvalidArgument(message)
    options = exports.ExportOptions(
        hours=HourRange(*hour_range(from_, to)),
        customer=customer,
        usage=usage,
        focus=focus,
        form="csv" if csv else "parquet",
        rates=rates,
    )
    home = (home_option or HomeOption()).existing()
    return exports.export(home, directory, options, json=json)
