"""Slices files metered as a build meters them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from hourtally.model.hours import Hour
from hourtally.stages.metering import HourSlices, Metered, meter
from hourtally.store.slice_files import count_rows, scan_slices, slices_relation

HourFiles = tuple[Hour, Sequence[Path], Sequence[tuple[int, int]]]


def meter_files(connection: duckdb.DuckDBPyConnection, *hours: HourFiles) -> Metered:
    """The usage of hours, each with its slices files and its rate periods."""
    inputs, all_paths, first_row = [], list[Path](), 0
    for hour, paths, periods in hours:
        rows = count_rows(paths)
        inputs.append(HourSlices(hour, scan_slices(paths, first_row), rows, periods))
        first_row += rows
        all_paths += paths
    return meter(connection, slices_relation(connection, all_paths), inputs)
