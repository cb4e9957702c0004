-- Grain: one stored slice. slice_row numbers the rows through all files, in their order:
-- first_rows has for each file the number of its first row.
SELECT
    *,
    list_extract({first_rows}, CAST(file_index AS BIGINT) + 1) + file_row_number AS slice_row
FROM read_parquet({files}, hive_partitioning = false)
