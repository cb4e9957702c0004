"""Whether restatements of an hour changed what it says of one customer."""

from __future__ import annotations

from hourtally.errors import HourtallyError
from hourtally.published.document_index import DOCUMENTS, read_customers
from hourtally.store.layout import Home
from hourtally.store.manifests import Manifest, read_manifest


def was_restated(home: Home, manifest: Manifest, customer: str) -> bool:
    """Whether any restatement up to this revision changed the customer's figures or hold.

    Where that is not known, because files were pruned or are damaged, it is taken to be so.
    """
    while (number := manifest.record.get("parent")) is not None:
        try:
            parent = read_manifest(home, manifest.hour, number)
            if _has_changed(manifest, parent, customer):
                return True
        except HourtallyError:
            return True
        manifest = parent
    return False


def _has_changed(manifest: Manifest, parent: Manifest, customer: str) -> bool:
    changes = manifest.record.get("changes")
    if not changes or "unknown" in changes:
        return True
    if any(one["customer"] == customer for one in changes["largest"]):
        return True
    # A manifest lists the first customers only.
    if changes["customers"] <= len(changes["largest"]):
        return False
    return says_otherwise(parent, manifest, customer)


def says_otherwise(before: Manifest, after: Manifest, customer: str) -> bool:
    """Whether two revisions have different documents of a customer, or one of them holds it.

    Raises:
        Damaged: a file of them is missing or differs from its record. Pruned: it was removed.
    """
    return _state(before, customer) != _state(after, customer)


def _state(manifest: Manifest, customer: str) -> str:
    """The digest of a customer's document; empty if it has no usage, and a word if it is held."""
    customers = read_customers(manifest)
    row = customers.find(customer)
    if row is None:
        return ""
    return "held" if customers.is_held(row) else customers.digest(row, DOCUMENTS)
