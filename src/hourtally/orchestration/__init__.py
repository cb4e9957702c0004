"""The pipeline as Prefect flows: the only package that imports Prefect."""

import logging
import sys

from hourtally.errors import HourtallyError

# Prefect imports jsonschema, which imports this grammar of IRIs if it is installed (a development
# tool depends on it). Parsing the grammar takes a second, and nothing here validates an IRI.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def _is_logged_as_sentence(record: logging.LogRecord) -> bool:
    """Replace the trace of an everyday refusal, such as a wrong card, by its message."""
    if record.exc_info and isinstance(record.exc_info[1], HourtallyError):
        record.msg, record.args = "The flow run failed: %s", (str(record.exc_info[1]),)
        record.exc_info = record.exc_text = None
    return True


# The engine of a served or deployed run logs what the run ends with.
logging.getLogger("prefect.engine").addFilter(_is_logged_as_sentence)
