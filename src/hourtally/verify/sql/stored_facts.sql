-- Grain: one stored slice or void of an event file, in the hour that its file is of. Files of build
-- version 1 lack some columns.
CREATE OR REPLACE TEMP VIEW stored_facts AS
SELECT
    *,
    epoch_ms(strptime(regexp_extract(filename, 'hour=([^/]*)/[^/]*$', 1), '%Y-%m-%dT%H'))
        AS hour_start_ms
FROM read_parquet({paths}, filename = true, hive_partitioning = false, union_by_name = true)
UNION ALL BY NAME
SELECT *
FROM no_facts
WHERE FALSE
