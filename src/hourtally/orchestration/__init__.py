"""The pipeline as Prefect flows: the only package that imports Prefect."""

import sys

# Prefect imports jsonschema, which imports this grammar of IRIs if it is installed (a development
# tool depends on it). Parsing the grammar takes a second, and nothing here validates an IRI.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
