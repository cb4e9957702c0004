-- Grain: one slice x rate period that it touches.
SELECT
    slices.*,
    period,
    least(slice_end_ms, period_end_ms) - greatest(slice_start_ms, period_start_ms) AS piece_ms
FROM slices
INNER JOIN periods ON slice_start_ms < period_end_ms AND slice_end_ms > period_start_ms
