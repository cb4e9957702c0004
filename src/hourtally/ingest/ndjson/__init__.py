"""NDJSON files: blocks of lines, read many at a time by shape, the others one by one."""
