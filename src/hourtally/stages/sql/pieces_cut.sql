-- Grain: one slice x rate period of its hour that it touches.
SELECT
    slices.*,
    period,
    least(slice_end_ms, period_end_ms) - greatest(slice_start_ms, period_start_ms) AS piece_ms
FROM slices
INNER JOIN periods
    ON
        slice_start_ms // {hour_ms} = hour_number
        AND slice_start_ms < period_end_ms
        AND slice_end_ms > period_start_ms
