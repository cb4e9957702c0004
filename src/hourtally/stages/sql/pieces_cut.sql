    -- floor, because // would put slices of hours before 1970 into the hour after theirs
    SELECT
        counted.*,
        period,
        least(slice_end_ms, period_end_ms) - greatest(slice_start_ms, period_start_ms) AS piece_ms
    FROM counted
    INNER JOIN periods
        ON
            CAST(floor(slice_start_ms / 3_600_000) AS BIGINT) = hour_number
            AND slice_start_ms < period_end_ms
            AND slice_end_ms > period_start_ms
