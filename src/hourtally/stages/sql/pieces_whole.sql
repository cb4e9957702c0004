-- Grain: one slice; all are of one hour, in which no rate starts or ends.
SELECT *, 0 AS period, slice_end_ms - slice_start_ms AS piece_ms FROM slices
