"""NDJSON files: blocks of lines, read fast where their shape is known, else strictly."""
