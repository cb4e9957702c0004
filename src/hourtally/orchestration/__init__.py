"""The pipeline as Prefect flows: the only package that imports Prefect."""

import sys

# Prefect imports jsonschema, and that, where it finds it (a tool of the development has brought
# it), a grammar of IRIs which it takes a second to read. Nothing here checks an IRI.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
