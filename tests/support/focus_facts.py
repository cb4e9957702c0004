"""What FOCUS requires of its columns, as a table, and a check of rows against it.

From the specification's own text (columns and attributes of 1.2; of 1.3 and 1.4 the columns in its
repository) and of nothing in the product. A column: its feature level, whether it may be null, its
type, its allowed values or the pattern of its values.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

Row = dict[str, Any]

CATEGORIES = {
    "AI and Machine Learning": (
        *("AI Platforms", "Bots", "Generative AI", "Machine Learning"),
        *("Natural Language Processing", "Other (AI and Machine Learning)"),
    ),
    "Analytics": (
        *("Analytics Platforms", "Business Intelligence", "Data Processing", "Search"),
        *("Streaming Analytics", "Other (Analytics)"),
    ),
    "Business Applications": ("Productivity and Collaboration", "Other (Business Applications)"),
    "Compute": (
        *("Containers", "End User Computing", "Quantum Compute", "Serverless Compute"),
        *("Virtual Machines", "Other (Compute)"),
    ),
    "Databases": (
        *("Caching", "Data Warehouses", "Ledger Databases", "NoSQL Databases"),
        *("Relational Databases", "Time Series Databases", "Other (Databases)"),
    ),
    "Developer Tools": (
        *("Developer Platforms", "Continuous Integration and Deployment"),
        *("Development Environments", "Source Code Management", "Quality Assurance"),
        "Other (Developer Tools)",
    ),
    "Identity": ("Identity and Access Management", "Other (Identity)"),
    "Integration": (
        *("API Management", "Messaging", "Workflow Orchestration", "Other (Integration)"),
    ),
    "Internet of Things": ("IoT Analytics", "IoT Platforms", "Other (Internet of Things)"),
    "Management and Governance": (
        *("Architecture", "Compliance", "Cost Management", "Data Governance"),
        *("Disaster Recovery", "Endpoint Management", "Observability", "Support"),
        "Other (Management and Governance)",
    ),
    "Media": ("Content Creation", "Gaming", "Media Streaming", "Mixed Reality", "Other (Media)"),
    "Migration": ("Data Migration", "Resource Migration", "Other (Migration)"),
    "Mobile": ("Other (Mobile)",),
    "Multicloud": ("Multicloud Integration", "Other (Multicloud)"),
    "Networking": (
        *("Application Networking", "Content Delivery", "Network Connectivity"),
        *("Network Infrastructure", "Network Routing", "Network Security", "Other (Networking)"),
    ),
    "Security": (
        *("Secret Management", "Security Posture Management"),
        *("Threat Detection and Response", "Other (Security)"),
    ),
    "Storage": (
        *("Backup Storage", "Block Storage", "File Storage", "Object Storage"),
        *("Storage Platforms", "Other (Storage)"),
    ),
    "Web": ("Application Platforms", "Other (Web)"),
    "Other": ("Other (Other)",),
}

# Unit Format: `<singular base unit>-<plural time unit>`; data sizes are abbreviated, counts are
# capitalised.
UNIT = (
    r"(?:[KMGTPE]i?[bB]|[bB]|[A-Z][A-Za-z]*)"
    r"-(?:Years|Months|Days|Hours|Minutes|Seconds|Milliseconds|Microseconds)"
)
TEXT = r"(?s).+"


class Fact(NamedTuple):
    """What a column must be. values: allowed ones, or a pattern that the whole text matches."""

    level: str
    nullable: bool
    type: type
    values: Sequence[str] | str = TEXT
    versions: Sequence[str] = ("1.2", "1.3", "1.4")


COST = Fact("mandatory", False, Decimal)
PRICE = Fact("conditional", True, Decimal)
INSTANT = Fact("mandatory", False, dt.datetime)
FACTS = {
    "BilledCost": COST,
    "EffectiveCost": COST,
    "ContractedCost": COST,
    "ListCost": COST,
    "BillingAccountId": Fact("mandatory", False, str),
    "BillingAccountName": Fact("mandatory", True, str),
    "BillingAccountType": Fact("conditional", False, str),
    "SubAccountId": Fact("conditional", True, str),
    "SubAccountName": Fact("conditional", True, str),
    "SubAccountType": Fact("conditional", True, str),
    "BillingCurrency": Fact("mandatory", False, str, "[A-Z]{3}"),
    "BillingPeriodStart": INSTANT,
    "BillingPeriodEnd": INSTANT,
    "ChargePeriodStart": INSTANT,
    "ChargePeriodEnd": INSTANT,
    "ChargeCategory": Fact(
        "mandatory", False, str, ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
    ),
    "ChargeClass": Fact("mandatory", True, str, ("Correction",)),
    "ChargeDescription": Fact("mandatory", True, str),
    "ChargeFrequency": Fact("recommended", False, str, ("One-Time", "Recurring", "Usage-Based")),
    "ConsumedQuantity": Fact("conditional", True, Decimal),
    "ConsumedUnit": Fact("conditional", True, str, UNIT),
    "PricingQuantity": Fact("mandatory", True, Decimal),
    "PricingUnit": Fact("mandatory", True, str, UNIT),
    "PricingCategory": Fact(
        "conditional", True, str, ("Standard", "Dynamic", "Committed", "Other")
    ),
    "ListUnitPrice": PRICE,
    "ContractedUnitPrice": PRICE,
    "ProviderName": Fact("mandatory", False, str, versions=("1.2", "1.3")),
    "PublisherName": Fact("mandatory", False, str, versions=("1.2", "1.3")),
    "ServiceProviderName": Fact("mandatory", False, str, versions=("1.3", "1.4")),
    "HostProviderName": Fact("mandatory", False, str, versions=("1.3", "1.4")),
    "InvoiceIssuerName": Fact("mandatory", False, str),
    "ServiceName": Fact("mandatory", False, str),
    "ServiceCategory": Fact("mandatory", False, str, tuple(CATEGORIES)),
    "ServiceSubcategory": Fact(
        "recommended", False, str, tuple(one for of in CATEGORIES.values() for one in of)
    ),
    "ResourceId": Fact("conditional", True, str),
    "ResourceName": Fact("conditional", True, str),
    "ResourceType": Fact("conditional", True, str),
    "RegionId": Fact("conditional", True, str),
    "RegionName": Fact("conditional", True, str),
    "SkuId": Fact("conditional", True, str),
    "SkuMeter": Fact("conditional", True, str),
    "SkuPriceId": Fact("conditional", True, str),
    "SkuPriceDetails": Fact("conditional", True, str),
    "Tags": Fact("conditional", True, str),
}
"""By column, in the order of the dataset. Left out: columns whose subject does not exist here."""

MANDATORY_ELSEWHERE = ("InvoiceId",)


def facts_of(version: str) -> dict[str, Fact]:
    return {name: fact for name, fact in FACTS.items() if version in fact.versions}


def broken(version: str, rows: Iterable[Row]) -> list[str]:
    """What rows break, a sentence each."""
    return [sentence for row in rows for sentence in _broken(version, row)]


def _broken(version: str, row: Row) -> Iterable[str]:
    facts = facts_of(version)
    focus = [name for name in row if not name.startswith("x_")]
    if focus != list(facts):
        yield f"columns {focus}"
    if list(row)[: len(focus)] != focus:
        yield "columns of FOCUS come first"
    for name in row:
        if not re.fullmatch(r"[A-Z][A-Za-z]*|x_[A-Z][A-Za-z]*", name) or len(name) > 50:
            yield f"{name} is no name"
    for name, fact in facts.items():
        yield from _of_column(name, fact, row[name])
    yield from _of_row(row)


def _of_column(name: str, fact: Fact, value: Any) -> Iterable[str]:
    if value is None:
        if not fact.nullable:
            yield f"{name} is null"
        return
    if not isinstance(value, fact.type):
        yield f"{name} is a {type(value).__name__}"
        return
    if isinstance(value, str):
        if isinstance(fact.values, str):
            if not re.fullmatch(fact.values, value):
                yield f"{name} is {value!r}"
        elif value not in fact.values:
            yield f"{name} is {value!r}"
    if isinstance(value, Decimal) and (not value.is_finite() or value < 0):
        yield f"{name} is {value}"


def _of_row(row: Row) -> Iterable[str]:
    """Requirements on several columns at once."""
    yield from _of_periods(row)
    yield from _of_prices(row)
    if row["ServiceSubcategory"] not in CATEGORIES[row["ServiceCategory"]]:
        yield "the subcategory is of another category"
    for name, other in (
        *(("RegionId", "RegionName"), ("ConsumedQuantity", "ConsumedUnit")),
        *(("PricingQuantity", "PricingUnit"), ("SubAccountId", "SubAccountType")),
    ):
        if (row[name] is None) != (row[other] is None):
            yield f"only one of {name} and {other} is null"
    # Usage that is not a correction is metered and priced.
    for name in ("ConsumedQuantity", "PricingQuantity", "PricingCategory", "SkuId"):
        if row[name] is None:
            yield f"{name} is null"


def _of_periods(row: Row) -> Iterable[str]:
    start, end = row["BillingPeriodStart"], row["BillingPeriodEnd"]
    if not (start <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= end):
        yield "the charge period is not in the billing period"
    if (start.day, start.hour, end.day, end.hour) != (1, 0, 1, 0):
        yield "the billing period is no month"
    if row["ChargePeriodEnd"] - row["ChargePeriodStart"] != dt.timedelta(hours=1):
        yield "the charge period is no hour"


def _of_prices(row: Row) -> Iterable[str]:
    if row["SkuPriceId"] is None and (
        row["SkuPriceDetails"] is not None
        or row["ContractedUnitPrice"] is not None
        or row["ListUnitPrice"] is not None
    ):
        yield "a price without SkuPriceId"
    if row["SkuPriceDetails"] is not None:
        details = json.loads(row["SkuPriceDetails"])
        if not isinstance(details, dict) or not all(k.startswith("x_") for k in details):
            yield "SkuPriceDetails is no object of our keys"
