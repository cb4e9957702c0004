-- Grain: one line that matched a layout and keeps the rules that no pattern can check.
-- The pattern has made sure of every type, so no cast here can guess.
WITH parsed AS MATERIALIZED (
    SELECT
        "row",
        json_transform(
            line,
            '{{"source": "VARCHAR", "id": "VARCHAR", "time": "VARCHAR", "data": {{{structure}}}}}'
        ) AS event
    FROM lines
),

timed AS MATERIALIZED (
    SELECT
        "row",
        event."source" AS event_source,
        event."id" AS event_id,
        event."time" AS event_time,
        epoch_us(TRY_CAST(event."time" AS TIMESTAMP)) AS event_time_us,
        epoch_ms(TRY_CAST(event."data"."start" AS TIMESTAMP)) AS start_ms,
        epoch_ms(TRY_CAST(event."data"."end" AS TIMESTAMP)) AS end_ms,
        md5_number_lower(event."source" || chr(0) || event."id") AS identity,
        event."data" AS data
    FROM parsed
)

SELECT
    "row",
    {columns}
FROM timed
WHERE
    strlen(event_source) <= {max_attribute_bytes}
    AND strlen(event_id) <= {max_attribute_bytes}
    AND (event_time IS NULL OR event_time_us IS NOT NULL)
    AND start_ms < end_ms
    AND end_ms - start_ms <= {max_interval_ms}
    AND start_ms <= {latest_start_ms}
    AND {rules}
