-- Grain: one usage key (it stands for the texts of a row of usage) x rate period of the hour.
-- first_row is the number of one slice with that key: its texts are those of the usage.
-- A resource has zeros in the columns of clusters and the other way, so two of them are one sum:
-- four sums of scattered groups take two thirds of the time of seven.
-- A product is at most 10^10 x 3.6 * 10^6 < 2^63, and DuckDB sums BIGINT in 128 bits: exact.
WITH
-- every slice of the hour that counts; repeats of them are there twice, and take each other back
slices AS ({slices}),

-- the part of a slice in one rate period
pieces AS ({pieces})

SELECT
    usage_key_high,
    usage_key_low,
    period,
    min(slice_row) AS first_row,
    max(slice_end_ms) AS last_end_ms,
    sum((cpu_millicores + vcpu_millicores) * piece_ms) AS cpu_or_vcpu,
    sum(memory_mib * piece_ms) AS memory,
    sum((storage_mib + gpu_memory_mib) * piece_ms) AS storage_or_gpu_memory,
    sum((gpu_milli + cluster_count) * piece_ms) AS gpu_or_cluster
FROM pieces
GROUP BY ALL
