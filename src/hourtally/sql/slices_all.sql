-- Grain: one slice; no identity is there twice, so all of them count.
SELECT * FROM read_parquet({files}, hive_partitioning = false)
