-- Grain: one distinct event of an event file, with its earliest time and the first of its lines.
CREATE OR REPLACE TEMP TABLE distinct_events AS
SELECT
    * EXCLUDE (event_time_us, line),
    min(event_time_us) AS event_time_us,
    min(line) AS line
FROM judged_events
GROUP BY ALL
