-- Grain: one void whose identity has no slice in the hour.
SELECT source, id, voided_source, voided_id, start_ms, end_ms
FROM voids
ANTI JOIN voided_slices ON event_source = voided_source AND event_id = voided_id
ORDER BY ALL
