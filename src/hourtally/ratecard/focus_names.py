"""Names that only the FOCUS export reads, and what FOCUS allows for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

DEFAULT_PROVIDER: Final = "Hourtally"
BYOC_CLUSTER: Final = "byoc-cluster"
"""Stands for clusters where a resource type is named."""
# FOCUS 1.2, ServiceCategory: the allowed values.
SERVICE_CATEGORIES: Final = (
    "AI and Machine Learning",
    "Analytics",
    "Business Applications",
    "Compute",
    "Databases",
    "Developer Tools",
    "Identity",
    "Integration",
    "Internet of Things",
    "Management and Governance",
    "Media",
    "Migration",
    "Mobile",
    "Multicloud",
    "Networking",
    "Security",
    "Storage",
    "Web",
    "Other",
)


@dataclass(frozen=True)
class FocusNames:
    """Who provides, publishes and invoices; service_categories: of some resource types."""

    provider: str = DEFAULT_PROVIDER
    publisher: str = DEFAULT_PROVIDER
    invoice_issuer: str = DEFAULT_PROVIDER
    service_categories: Mapping[str, str] = field(default_factory=dict, hash=False)
