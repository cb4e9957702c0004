"""Sums over a range, added up row by row from what the current revisions hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.oracle.published_rows import Row, current_manifests, current_rows

LENGTHS = {"hour": 13, "day": 10, "month": 7, "total": 0}
KEYS = {
    None: (),
    "customer": ("customer_id",),
    "team": ("customer_id", "team_id"),
    "project": ("customer_id", "team_id", "project_id"),
    "type": ("resource_type",),
    "resource": ("customer_id", "team_id", "project_id", "resource_type", "resource_id"),
}
PAAS = ("total", "cpu", "memory", "storage", "gpu")
PAAS_HOURS = ("cpu", "memory", "storage", "gpu_on_demand", "gpu_spot")
BYOC = ("total", "vcpu", "memory", "gpu_memory", "cluster")
BYOC_HOURS = ("vcpu", "memory", "gpu_memory", "cluster")
NUMBERS = (
    *(f"paas_{name}_nanocents" for name in PAAS),
    *(f"paas_{name}_nanohours" for name in PAAS_HOURS),
    *(f"byoc_{name}_nanocents" for name in BYOC),
    *(f"byoc_{name}_nanohours" for name in BYOC_HOURS),
)


def facts(home: Path) -> list[Row]:
    """Each resource and cluster of each hour, with its prices and quantities by kind.

    Customers that are held have none.
    """
    found = []
    for kind, table in (("paas", "charges"), ("byoc", "clusters")):
        for row in current_rows(home, table):
            fact = dict.fromkeys(NUMBERS, 0) | {"kind": kind}
            for name, value in row.items():
                if name.endswith(("_nanocents", "_nanohours")):
                    fact[f"{kind}_{name}"] = value
                else:
                    fact[name] = value
            found.append(fact)
    return found


def listing(home: Path, question: dict[str, Any]) -> list[Row]:
    """The rows of an answer, sorted: newest first, then by total.

    question: `by`, `granularity`, filters by column, `first` and `end` as names of hours.
    """
    by, granularity = question.get("by"), question["granularity"]
    filters: dict[str, str] = question.get("filters", {})
    below = by in {"team", "project", "type", "resource"} or bool(set(filters) - {"customer_id"})
    groups: dict[tuple[str, ...], Row] = {}
    for fact in facts(home):
        if not _within(question, fact["hour"]) or (below and fact["kind"] == "byoc"):
            continue
        if any(fact.get(column) != value for column, value in filters.items()):
            continue
        period = fact["hour"][: LENGTHS[granularity]]
        ids = tuple(fact[column] for column in KEYS[by])
        group = groups.setdefault(
            (period, fact["currency"], *ids),
            {"hours": set(), **dict.fromkeys(NUMBERS, 0)},
        )
        group["hours"].add(fact["hour"])
        for name in NUMBERS:
            group[name] += fact[name]
    rows = []
    for (period, currency, *key), group in groups.items():
        numbers = {n: group[n] for n in NUMBERS if not (below and n.startswith("byoc"))}
        total = sum(value for n, value in numbers.items() if n.endswith("_total_nanocents"))
        keys = dict(zip(KEYS[by], key, strict=True))
        rows.append(
            {
                "period": period,
                "currency": currency,
                **keys,
                "hours": len(group["hours"]),
                "total_nanocents": total,
                **numbers,
            }
        )
    rows.sort(key=lambda row: [row["currency"], *(row[name].encode() for name in KEYS[by])])
    rows.sort(key=lambda row: row["total_nanocents"], reverse=True)
    rows.sort(key=lambda row: str(row["period"]), reverse=True)
    return rows


def held_hours(home: Path, question: dict[str, Any]) -> dict[str, list[str]]:
    """By customer, the published hours of the range in which it is held."""
    wanted = question.get("filters", {}).get("customer_id")
    found: dict[str, list[str]] = {}
    for manifest in current_manifests(home):
        for customer in manifest.get("held", {}).get("customer_ids", []):
            if wanted in {None, customer} and _within(question, manifest["hour"]):
                found.setdefault(customer, []).append(manifest["hour"])
    return found


def _within(question: dict[str, Any], hour: str) -> bool:
    first, end = question.get("first"), question.get("end")
    return (first is None or hour >= first) and (end is None or hour < end)
