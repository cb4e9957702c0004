-- Grain: one slice that an event file has.
CREATE OR REPLACE TEMP VIEW expected_slices AS
SELECT
    *,
    greatest(start_ms, hour_start_ms) AS slice_start_ms,
    least(end_ms, hour_start_ms + 3600000) AS slice_end_ms
FROM distinct_events, unnest(range(start_ms - start_ms % 3600000, end_ms, 3600000)) AS hours (hour_start_ms)
