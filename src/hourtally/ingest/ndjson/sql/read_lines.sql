-- Lines to events. Grain: one line, also where it is not an event.
--
-- DuckDB reads JSON leniently, and a cast may guess. So `is_exact` says whether the line is short
-- enough and equals what its values give when they are written again, and the caller checks the
-- rules. There is no WHERE: DuckDB would parse each line once more for every field in it.
WITH parsed AS (
    SELECT
        "row",
        line,
        unnest(json_transform(line, {structure}), recursive := true)
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
        -- Equal to md5_number_lower, in a fifth of its time.
        (md5_number("source" || chr(0) || "id") >> 64)::UBIGINT AS identity,
        epoch_us(TRY_CAST("time" AS TIMESTAMP)) AS event_time_us,
        epoch_ms(TRY_CAST("start" AS TIMESTAMP)) AS start_ms,
        epoch_ms(TRY_CAST("end" AS TIMESTAMP)) AS end_ms,
        {round_trip} AS is_round_trip
    FROM parsed
)

SELECT
    "row",
    "start",
    "end",
    event_time,
    {columns},
    is_round_trip AND strlen(line) <= {max_line_bytes} AS is_exact
FROM timed
