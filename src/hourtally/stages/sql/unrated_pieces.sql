-- The parts of slices that have no rate for one quantity.
-- Grain: one counted slice with that quantity above zero x rate period of the hour.
-- `unrated` numbers the rows of usage, of one usage key and period each, that have no rate.
SELECT
    unrated.number,
    slice_row,
    greatest(slice_start_ms, period_start_ms) AS from_ms,
    least(slice_end_ms, period_end_ms) AS until_ms
FROM slices
ANTI JOIN not_counted USING (slice_row)
INNER JOIN unrated
    ON
        slices.usage_key_low = unrated.usage_key_low
        AND slices.usage_key_high = unrated.usage_key_high
INNER JOIN periods
    ON
        unrated.period = periods.period
        AND CAST(floor(slice_start_ms / 3_600_000) AS BIGINT) = hour_number
        AND slice_start_ms < period_end_ms
        AND slice_end_ms > period_start_ms
WHERE {quantity} > 0
