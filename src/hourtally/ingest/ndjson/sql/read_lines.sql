-- Grain: one line. is_form: whether it is short enough and in its layout's plain form. What is
-- read here cannot be trusted alone: JSON is read leniently, and a cast may guess.
-- Without WHERE, as a filter of this SELECT would have each line read again for each field in it.
WITH parsed AS (
    SELECT
        "row",
        line,
        unnest(json_transform(line, '{structure}'), recursive := true)
    FROM lines
),

timed AS (
    SELECT
        "row",
        line,
        {fields},
        "source" AS event_source,
        "id" AS event_id,
        "time" AS event_time,
        -- The same as md5_number_lower, which takes five times as long.
        (md5_number("source" || chr(0) || "id") >> 64)::UBIGINT AS identity,
        epoch_us(TRY_CAST("time" AS TIMESTAMP)) AS event_time_us,
        epoch_ms(TRY_CAST("start" AS TIMESTAMP)) AS start_ms,
        epoch_ms(TRY_CAST("end" AS TIMESTAMP)) AS end_ms,
        {plain} AS is_plain
    FROM parsed
)

SELECT
    "row",
    "start",
    "end",
    event_time,
    {columns},
    is_plain AND strlen(line) <= {max_line_bytes} AS is_form
FROM timed
