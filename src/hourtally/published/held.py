"""Why a revision holds a customer: the usage that has no rate."""

from __future__ import annotations

from hourtally.errors import HourHeld
from hourtally.published.checked_files import read_table
from hourtally.ratecard import Gap
from hourtally.store.manifests import Manifest


def held_error(manifest: Manifest, customer: str) -> HourHeld:
    """Why there is no document of a held customer.

    Raises:
        Damaged: `held.parquet` is missing or differs from the manifest's record.
    """
    gaps = [str(gap) for gap in read_gaps(manifest) if gap.customer_id == customer]
    advice = (
        "Add a [[rate]] for each to the rate card and run `hourtally run`, which prints them ready "
        "to be filled in."
    )
    if manifest.revision > 1:
        advice += f" Earlier revisions: `hourtally show {manifest.hour} --revision N`."
    return HourHeld(manifest.hour.name, customer, gaps, advice)


def read_gaps(manifest: Manifest) -> list[Gap]:
    """The rows of a revision's `held.parquet`; the manifest lists the first of them.

    Raises:
        Damaged: as `held_error`.
    """
    if not manifest.held_customers:
        return []
    listed = manifest.record["held"]["listed"]
    if len(listed) == manifest.record["rows"]["held"]:
        return [Gap.from_manifest(one) for one in listed]
    from hourtally.model.schemas import HELD

    return [Gap(**row) for row in read_table(manifest, "held", HELD).iter_rows(named=True)]
