"""Identities looked through in partitions: the same as all at once."""

from __future__ import annotations

from typing import Final

import polars as pl
import pytest

from hourtally.stages import identities
from hourtally.stages.identities import (
    Identities,
    identities_of,
    repeated_digests,
    shared_digests,
)

# The bounds of four partitions, and both sides of each, the ends of all digests among them.
BOUNDS: Final = [2**64 * part // 4 + side for part in range(5) for side in (-1, 0)][1:-1]
# 10 is there three times, two bounds twice.
DIGESTS: Final = [10, *BOUNDS, 10, BOUNDS[2], 7, 10, BOUNDS[-1]]


@pytest.fixture(params=[1, 4, 5, 1_000])
def of_hour(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Identities:
    """The identities of one of two hours, of which so many are held at most."""
    monkeypatch.setattr(identities, "_MOST_HELD", request.param)
    slices = pl.LazyFrame({"identity": DIGESTS}, {"identity": pl.UInt64})
    _, of_hour = identities_of([(slices.head(2), 2), (slices, len(DIGESTS))])
    assert (of_hour.held is None) == (request.param < len(DIGESTS))
    return of_hour


def test_every_slice_is_in_one_partition_and_equal_digests_in_the_same(of_hour: Identities) -> None:
    partitions = [part.to_list() for part in of_hour.partitions()]
    assert sorted(digest for part in partitions for digest in part) == sorted(DIGESTS)
    assert sum(10 in part for part in partitions) == 1
    assert [part.count(10) for part in partitions if 10 in part] == [3]


def test_digests_that_several_slices_have_are_found_once(of_hour: Identities) -> None:
    assert sorted(repeated_digests(of_hour)) == sorted([10, BOUNDS[2], BOUNDS[-1]])


def test_digests_that_others_have_too_are_found(of_hour: Identities) -> None:
    others = pl.Series([7, 8, BOUNDS[4]], dtype=pl.UInt64)
    assert set(shared_digests(of_hour, others)) == {7, BOUNDS[4]}
    assert shared_digests(of_hour, others.clear()).is_empty()


def test_the_digests_of_some_slices_come_in_their_order(of_hour: Identities) -> None:
    places = [0, 3, 4, 5, 9, len(DIGESTS) - 1]
    found = of_hour.of_slices(pl.Series(places, dtype=pl.Int64))
    assert found.to_list() == [DIGESTS[place] for place in places]
    assert of_hour.of_slices(pl.Series(dtype=pl.Int64)).is_empty()


def test_an_hour_without_slices_has_no_digests() -> None:
    [of_hour] = identities_of([(pl.LazyFrame(schema={"identity": pl.UInt64}), 0)])
    assert repeated_digests(of_hour).is_empty()
