-- Grain: one distinct void of an event file, with the reason of the first of its lines.
CREATE OR REPLACE TEMP TABLE distinct_voids AS
SELECT
    * EXCLUDE (reason, line),
    first(reason ORDER BY line) AS reason,
    min(line) AS line
FROM judged_voids
GROUP BY ALL
