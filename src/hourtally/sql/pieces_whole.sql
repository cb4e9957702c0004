-- Grain: one slice; no rate starts or ends inside the hour.
SELECT *, 0 AS period, slice_end_ms - slice_start_ms AS piece_ms FROM slices
