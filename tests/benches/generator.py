"""Events in any number, the same ones every time, as Parquet or NDJSON.

    python -m tests.benches.generator FOLDER --events 1000000 --format ndjson

Row i of the events is a function of i and of the seed alone, so the same events come out
however many files they are divided into, and no row has to wait for another. Rows follow each
other in time, as they would arrive, one minute of one resource each; every fiftieth resource is
a BYOC cluster. No event crosses the end of an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

FIRST_HOUR_MS: Final = 1_735_689_600_000  # 2025-01-01T00:00:00Z
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
BLOCK_ROWS: Final = 500_000
CLUSTER_EVERY: Final = 50
RESOURCE_TYPES: Final = (
    "addon",
    "external-addon",
    "job",
    "llm-model-deployment",
    "opentofu-job",
    "service",
    "volume",
)


@dataclass(frozen=True)
class Events:
    """What to make. resources, customers: in each hour. resent: sent again by the next file."""

    events: int
    resources: int
    customers: int
    hours: int = 1
    files: int = 1
    resent: bool = False
    seed: int = 1

    def file_rows(self, file: int) -> range:
        """The rows that a file is the first to hold."""
        first, end = (self.events * number // self.files for number in (file, file + 1))
        return range(first, end)


def drawn(number: pl.Expr, seed: int) -> pl.Expr:
    """64 random bits for each number: splitmix64, whose products wrap as they should."""
    mixed = number.cast(pl.UInt64) * pl.lit(0x9E3779B97F4A7C15, pl.UInt64)
    mixed = mixed + pl.lit(seed * 0xD1B54A32D192ED03 % 2**64, pl.UInt64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed // 2**shift)) * pl.lit(factor, pl.UInt64)
    return mixed ^ (mixed // 2**31)


def one_of(values: tuple[int | str, ...], bits: pl.Expr) -> pl.Expr:
    """A value for each number of random bits."""
    texts = isinstance(values[0], str)
    listed = pl.Series(list(values), dtype=pl.String if texts else pl.Int64)
    return pl.lit(listed).gather(bits % len(values))


@cache
def resources_table(wanted: Events) -> pl.DataFrame:
    """Grain: one resource. Few customers have many resources; each customer has at least one."""
    bits = drawn(pl.col("n"), wanted.seed + 1)
    uniform = (bits // 2**40).cast(pl.Float64) / 2**24
    is_cluster = pl.col("n") % CLUSTER_EVERY == 0
    customer = (
        pl.when(pl.col("n") < wanted.customers)
        .then("n")
        .otherwise((uniform * uniform * wanted.customers).cast(pl.Int64))
    )
    table = pl.select(pl.int_range(wanted.resources).alias("n")).with_columns(
        is_cluster.alias("is_cluster"),
        pl.format("customer-{}", customer.cast(pl.String).str.zfill(6)).alias("customer_id"),
        (bits % 3).alias("team"),
        (bits // 4 % 4).alias("project"),
        one_of(RESOURCE_TYPES, bits // 16).alias("resource_type"),
        one_of(("l4", "h100"), bits // 2**10).alias("gpu_model"),
    )
    own = pl.when(~pl.col("is_cluster"))
    has_gpu = ~pl.col("is_cluster") & (pl.col("resource_type") == "llm-model-deployment")
    team = pl.format("{}-team-{}", "customer_id", "team")
    return table.select(
        "is_cluster",
        "customer_id",
        own.then(team).alias("team_id"),
        own.then(pl.format("Team {} of {}", "team", "customer_id")).alias("team_name"),
        own.then(pl.format("{}-project-{}", team, "project")).alias("project_id"),
        own.then(pl.format("Project {}", "project")).alias("project_name"),
        own.then("resource_type").alias("resource_type"),
        own.then(pl.format("resource-{}", "n")).alias("resource_id"),
        own.then(pl.format("replicas of {}", "n")).alias("resource_name"),
        pl.when("is_cluster").then(pl.format("cluster-{}", "n")).alias("cluster_id"),
        pl.when("is_cluster").then(pl.format("Cluster {}", "n")).alias("cluster_name"),
        pl.when(has_gpu).then("gpu_model").alias("gpu_model"),
    )


def events_frame(wanted: Events, resources: pl.DataFrame, numbers: pl.Expr) -> pl.DataFrame:
    """The events of these row numbers: flat columns, as Parquet has them (contract, section 2)."""
    rows = pl.select(numbers.alias("n")).with_columns(
        (drawn(pl.col("n"), wanted.seed) % wanted.resources).alias("resource"),
        drawn(pl.col("n"), wanted.seed + 2).alias("bits"),
        (pl.col("n") * wanted.hours // wanted.events).alias("hour"),
    )
    # Rows of an hour lie evenly over its first 59 minutes.
    an_hour = -(-wanted.events // wanted.hours)
    first_of_hour = (pl.col("hour") * wanted.events + wanted.hours - 1) // wanted.hours
    within_ms = (pl.col("n") - first_of_hour) * (HOUR_MS - MINUTE_MS) // an_hour // 1_000 * 1_000
    start_ms = FIRST_HOUR_MS + pl.col("hour") * HOUR_MS + within_ms
    end = pl.from_epoch(start_ms + MINUTE_MS, "ms").dt.replace_time_zone("UTC")
    frame = pl.concat([rows, resources[rows["resource"]]], how="horizontal")
    cluster = pl.col("is_cluster")
    bits = pl.col("bits")
    cpu = one_of((250, 500, 1_000, 2_000, 4_000), bits)
    memory = one_of((256, 512, 1_024, 4_096), bits // 2**8)
    return frame.select(
        pl.format("{}@{}", pl.coalesce("resource_id", "cluster_id"), "n").alias("event_id"),
        pl.lit("//meter.example/bench").alias("event_source"),
        pl.when(cluster)
        .then(pl.lit("metering.cluster.v1"))
        .otherwise(pl.lit("metering.resource.v1"))
        .alias("event_type"),
        end.alias("event_time"),
        pl.from_epoch(start_ms, "ms").dt.replace_time_zone("UTC").alias("start"),
        end.alias("end"),
        *(name for name in resources.columns if name != "is_cluster"),
        pl.when(~cluster).then(cpu).alias("cpu_millicores"),
        memory.alias("memory_mib"),
        pl.when(~cluster).then(one_of((0, 1_024, 10_240), bits // 2**16)).alias("storage_mib"),
        pl.when(pl.col("gpu_model").is_not_null()).then(1_000).alias("gpu_milli"),
        pl.when(cluster).then(cpu * 16).alias("vcpu_millicores"),
        pl.when(cluster).then(one_of((0, 81_920), bits // 2**24)).alias("gpu_memory_mib"),
    )


def blocks(wanted: Events, file: int) -> Iterator[pl.DataFrame]:
    """A file's events, some at a time; first, if asked for, 1 % of those of the file before."""
    resources = resources_table(wanted)
    if wanted.resent and file:
        before = wanted.file_rows(file - 1)
        yield events_frame(wanted, resources, pl.int_range(before.start, before.stop, 100))
    rows = wanted.file_rows(file)
    for first in range(rows.start, rows.stop, BLOCK_ROWS):
        end = min(first + BLOCK_ROWS, rows.stop)
        yield events_frame(wanted, resources, pl.int_range(first, end))


def lines(events: pl.DataFrame) -> pl.DataFrame:
    """The events as CloudEvents in JSON; absent fields are left out."""
    moment = "%Y-%m-%dT%H:%M:%SZ"

    def text(key: str, column: str) -> pl.Expr:
        return pl.concat_str(pl.lit(f'"{key}":"'), column, pl.lit('",')).fill_null("")

    def number(key: str, column: str) -> pl.Expr:
        return pl.concat_str(pl.lit(f'"{key}":'), column, pl.lit(",")).fill_null("")

    return events.with_columns(pl.col("start", "end", "event_time").dt.to_string(moment)).select(
        pl.concat_str(
            pl.lit('{"specversion":"1.0",'),
            text("type", "event_type"),
            text("source", "event_source"),
            text("id", "event_id"),
            text("time", "event_time"),
            pl.lit('"data":{'),
            text("customerId", "customer_id"),
            text("teamId", "team_id"),
            text("teamName", "team_name"),
            text("projectId", "project_id"),
            text("projectName", "project_name"),
            text("resourceType", "resource_type"),
            text("resourceId", "resource_id"),
            text("resourceName", "resource_name"),
            text("clusterId", "cluster_id"),
            text("clusterName", "cluster_name"),
            number("cpuMillicores", "cpu_millicores"),
            number("vcpuMillicores", "vcpu_millicores"),
            number("memoryMiB", "memory_mib"),
            number("storageMiB", "storage_mib"),
            number("gpuMilli", "gpu_milli"),
            text("gpuModel", "gpu_model"),
            number("gpuMemoryMiB", "gpu_memory_mib"),
            text("start", "start"),
            pl.concat_str(pl.lit('"end":"'), "end", pl.lit('"}}')),
        )
    )


def write_ndjson(path: Path, events: Iterator[pl.DataFrame]) -> None:
    """One event a line."""
    with path.open("wb") as file:
        for block in events:
            lines(block).write_csv(file, include_header=False, quote_style="never")


def write_parquet(path: Path, events: Iterator[pl.DataFrame]) -> None:
    """One event a row."""
    first = next(events).to_arrow()
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=1) as writer:
        writer.write_table(first)
        for block in events:
            writer.write_table(block.to_arrow().cast(first.schema))


def main() -> None:
    """Write the files `events-000.parquet` (or .ndjson), … into a folder."""
    parser = argparse.ArgumentParser(description="Make an hour of events, or several.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--resources", type=int, required=True, help="in each hour")
    parser.add_argument("--customers", type=int, required=True, help="in each hour")
    parser.add_argument("--hours", type=int, default=1)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--resent", action="store_true", help="1 %% again in the next file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=("parquet", "ndjson"), default="parquet")
    options = vars(parser.parse_args())
    folder, suffix = options.pop("folder"), options.pop("format")
    wanted = Events(**options)
    folder.mkdir(parents=True, exist_ok=True)
    write = write_parquet if suffix == "parquet" else write_ndjson
    for file in range(wanted.files):
        write(folder / f"events-{file:03d}.{suffix}", blocks(wanted, file))


if __name__ == "__main__":
    main()
