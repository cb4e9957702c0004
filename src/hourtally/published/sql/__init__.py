"""SQL over current revisions: a session for one query, or a database for other tools."""

from hourtally.published.sql.database import write_database
from hourtally.published.sql.session import VIEWS, Rows, run_query

__all__ = ["VIEWS", "Rows", "run_query", "write_database"]
