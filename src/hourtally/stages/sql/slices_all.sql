-- Grain: one slice; no identity is there twice, so all of them count. Rows are numbered through
-- all files, in their order.
SELECT
    *,
    list_extract({first_rows}, CAST(file_index AS BIGINT) + 1) + file_row_number AS slice_row
FROM read_parquet({files}, hive_partitioning = false)
