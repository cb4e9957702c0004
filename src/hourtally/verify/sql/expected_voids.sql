-- Grain: one void of an event file in one hour that it touches.
CREATE OR REPLACE TEMP VIEW expected_voids AS
SELECT *
FROM distinct_voids, unnest(range(start_ms - start_ms % 3600000, end_ms, 3600000)) AS hours (hour_start_ms)
