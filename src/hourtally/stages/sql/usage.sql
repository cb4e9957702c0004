-- Usage of hours: quantities times milliseconds, summed.
-- Grain: one usage key (it stands for the texts of a row of usage) x rate period of an hour.
-- pieces is one of the queries beside this one: the part of a slice in one rate period.
-- first_row is the number of one slice with that key: its texts are those of the usage.
-- A product is at most 10^10 x 3.6 * 10^6 < 2^63, and DuckDB sums BIGINT in 128 bits: exact.
WITH
-- slices that count: no duplicates, and of a conflict only the one that wins
counted AS (
    SELECT
        slice_row,
        usage_key_high,
        usage_key_low,
        slice_start_ms,
        slice_end_ms,
        cpu_millicores,
        memory_mib,
        storage_mib,
        gpu_milli,
        vcpu_millicores,
        gpu_memory_mib,
        cluster_count
    FROM slices
    ANTI JOIN not_counted USING (slice_row)
),

pieces AS (
{pieces}
)

SELECT
    usage_key_high,
    usage_key_low,
    period,
    min(slice_row) AS first_row,
    min(slice_start_ms) AS first_start_ms,
    max(slice_end_ms) AS last_end_ms,
    sum(cpu_millicores * piece_ms) AS cpu_millicores_ms,
    sum(memory_mib * piece_ms) AS memory_mib_ms,
    sum(storage_mib * piece_ms) AS storage_mib_ms,
    sum(gpu_milli * piece_ms) AS gpu_milli_ms,
    sum(vcpu_millicores * piece_ms) AS vcpu_millicores_ms,
    sum(gpu_memory_mib * piece_ms) AS gpu_memory_mib_ms,
    sum(cluster_count * piece_ms) AS cluster_count_ms
FROM pieces
GROUP BY ALL
