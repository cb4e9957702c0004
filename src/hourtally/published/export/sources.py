"""What an export of customers' files writes: documents, or usage documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hourtally.published import document_index
from hourtally.published.document_index import DocumentKind
from hourtally.published.export.identity import Kind


@dataclass(frozen=True)
class Source:
    """Documents of one kind, and the kind of tree that holds them."""

    documents: DocumentKind
    kind: Kind


DOCUMENTS: Final = Source(document_index.DOCUMENTS, Kind("documents"))
USAGE: Final = Source(document_index.USAGE_DOCUMENTS, Kind("usage"))
