-- Grain: one slice; none of those that contradict the one of their identity that counts.
SELECT * FROM ({slices})
ANTI JOIN contradicted USING (slice_row)
