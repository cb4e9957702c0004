-- Grain: one slice that counts: not one of those that repeat it or contradict it.
SELECT * FROM ({slices})
ANTI JOIN left_out USING (slice_row)
