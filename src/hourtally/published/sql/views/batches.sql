-- Grain: one batch, from its record with the highest number. hour: in which that record was
-- written. first_hour, last_hour: of what it touches.
WITH records AS (
    SELECT *, json_keys(hours) AS touched
    FROM {records}
    QUALIFY row_number() OVER (PARTITION BY batch ORDER BY coalesce(number, 1) DESC) = 1
)
SELECT
    date_trunc(
        'hour', strptime(left(coalesce(withdrawn_at, ingested_at), 19), '%Y-%m-%dT%H:%M:%S')
    ) AS hour,
    batch,
    coalesce(number, 1) AS number,
    coalesce(status, 'ingested') AS status,
    file,
    reason,
    lines,
    accepted,
    duplicates,
    quarantined,
    len(touched) AS hours,
    strptime(list_min(touched), '%Y-%m-%dT%H') AS first_hour,
    strptime(list_max(touched), '%Y-%m-%dT%H') AS last_hour
FROM records
WHERE batch IS NOT NULL
