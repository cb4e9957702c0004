"""SQL scripts beside this file, one after the other in one DuckDB.

    python run_sql.py slices.sql documents.sql events='FOLDER/*.parquet' documents=OUT …

`name=value` is a variable, which the scripts ask for with getvariable('name').
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

THREADS = 2


def main() -> None:
    """Run them."""
    variables = [argument.split("=", 1) for argument in sys.argv[1:] if "=" in argument]
    scripts = [argument for argument in sys.argv[1:] if "=" not in argument]
    with duckdb.connect(config={"threads": THREADS}) as connection:
        for name, value in variables:
            quoted = value.replace("'", "''")
            connection.execute(f"SET VARIABLE {name} = '{quoted}'")
        for script in scripts:
            connection.execute((Path(__file__).parent / script).read_text())


if __name__ == "__main__":
    main()
