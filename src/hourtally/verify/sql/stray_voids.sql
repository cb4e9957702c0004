-- Grain: one row: the number of voids that do not touch the hour.
SELECT count(*)
FROM voids
WHERE (start_ms < {hour_end_ms} AND end_ms > {hour_start_ms} AND start_ms < end_ms) IS NOT TRUE
