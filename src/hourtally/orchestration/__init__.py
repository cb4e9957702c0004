"""The pipeline as Prefect flows: the only package that imports Prefect."""

import logging
import sys

from hourtally.errors import HourtallyError

# Prefect imports jsonschema, which imports this grammar of IRIs if it is installed (a development
# tool depends on it). Parsing the grammar takes a second, and nothing here validates an IRI.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Drop the trace of an everyday refusal, such as a wrong card.

    Its message is in the line that says in which state the run finished.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], HourtallyError))


# Both log the exception that a served or deployed run ends with.
for _name in ("prefect.flow_runs", "prefect.engine"):
    logging.getLogger(_name).addFilter(_is_no_refusal)
