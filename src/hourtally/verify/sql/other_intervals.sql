-- Grain: one voided identity with an event whose interval none of its voids has: the earliest such
-- event, and the first of its voids.
WITH
other_slices AS (
    SELECT
        event_source,
        event_id,
        min((start_ms, end_ms)) AS interval_ms
    FROM voided_slices
    ANTI JOIN voids
        ON event_source = voided_source
        AND event_id = voided_id
        AND voided_slices.start_ms = voids.start_ms
        AND voided_slices.end_ms = voids.end_ms
    GROUP BY event_source, event_id
)

SELECT
    source,
    id,
    voided_source,
    voided_id,
    start_ms,
    end_ms,
    interval_ms[1] AS event_start_ms,
    interval_ms[2] AS event_end_ms
FROM other_slices
INNER JOIN voids ON event_source = voided_source AND event_id = voided_id
QUALIFY row_number() OVER (
    PARTITION BY voided_source, voided_id ORDER BY source, id, start_ms, end_ms
) = 1
ORDER BY voided_source, voided_id
