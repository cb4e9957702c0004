    SELECT
        counted.*,
        CAST(0 AS UINTEGER) AS period,
        slice_end_ms - slice_start_ms AS piece_ms
    FROM counted
