-- Lines to events. Grain: one line, also where it is not an event.
--
-- DuckDB reads JSON leniently, and a cast may guess. So `is_exact` says whether the line is short
-- enough, has instants of the right years and equals what its values give when they are written
-- again, and the caller checks the other rules. There is no WHERE: DuckDB would parse each line once more for every field in it.
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
        -- Digits past microseconds are cut off; epoch_ms would round.
        epoch_us(TRY_CAST("time" AS TIMESTAMPTZ)) AS event_time_us,
        epoch_us(TRY_CAST("start" AS TIMESTAMPTZ)) AS start_us,
        epoch_us(TRY_CAST("end" AS TIMESTAMPTZ)) AS end_us,
        {unknown}
        {round_trip} AS is_round_trip
    FROM parsed
)

SELECT
    "row",
    "start",
    "end",
    event_time,
    {columns},
    is_round_trip
    AND strlen(line) <= {max_line_bytes}
    AND start_us >= 0
    AND end_us < {end_of_time_us}
    AND (
        event_time IS NULL OR event_time_us BETWEEN {zero_time_us} AND {end_of_time_us} - 1
    ) AS is_exact
FROM timed
