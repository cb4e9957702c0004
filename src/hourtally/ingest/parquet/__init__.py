"""Parquet files: columns checked against the schema, rows as events."""
