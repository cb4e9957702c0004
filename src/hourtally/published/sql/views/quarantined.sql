-- Grain: one line in quarantine, of a batch that is ingested. hour: in which it was ingested.
WITH lines AS (
    SELECT *, regexp_extract(filename, '([^/]+)\.ndjson$', 1) AS record
    FROM {lines}
)
SELECT batches.hour, batches.batch, lines.file, lines.line, lines.rule, lines.message, lines.raw
FROM lines
JOIN ({batches}) AS batches
    ON lines.record = CASE
        WHEN batches.number = 1 THEN batches.batch
        ELSE batches.batch || '.' || batches.number
    END
WHERE batches.status = 'ingested'
