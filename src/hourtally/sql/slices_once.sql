-- Grain: one slice; where an identity is there several times, the one that was decided.
SELECT {columns} FROM read_parquet({files}, hive_partitioning = false)
ANTI JOIN suspects USING (identity)
UNION ALL
SELECT {columns} FROM decided
