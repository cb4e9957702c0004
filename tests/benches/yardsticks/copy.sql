-- The floor of an ingest: lines of NDJSON read with their types and written as Parquet, with
-- nothing checked, sorted or made durable.
COPY (
    SELECT * EXCLUDE (data), unnest(data)
    FROM read_json(
        getvariable('events'),
        format = 'newline_delimited',
        columns = getvariable('columns')
    )
) TO (getvariable('parquet')) (FORMAT parquet, COMPRESSION zstd);
