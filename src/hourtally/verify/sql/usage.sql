-- Grain: one resource or cluster x its names x region x gpu_model x gpu_capacity, in one rate
-- period: a part of the hour in which no rate changes. DuckDB sums BIGINT in 128 bits and
-- fails on products over 64, and on sums over 38 digits.
WITH
-- each counted slice with its milliseconds in the rate period
period_slices AS (
    SELECT
        *,
        least(slice_end_ms, {period_end_ms}) - greatest(slice_start_ms, {period_start_ms})
            AS overlap_ms
    FROM counted_slices
)

SELECT
    customer_id,
    event_type,
    team_id,
    project_id,
    resource_type,
    resource_id,
    team_name,
    project_name,
    resource_name,
    region,
    gpu_model,
    gpu_capacity,
    {period_start_ms} AS period_start_ms,
    max(slice_end_ms) AS last_end_ms,
    sum(cpu_millicores * overlap_ms)::DECIMAL(38, 0) AS cpu_millicores_ms,
    sum(memory_mib * overlap_ms)::DECIMAL(38, 0) AS memory_mib_ms,
    sum(storage_mib * overlap_ms)::DECIMAL(38, 0) AS storage_mib_ms,
    sum(gpu_milli * overlap_ms)::DECIMAL(38, 0) AS gpu_milli_ms,
    sum(vcpu_millicores * overlap_ms)::DECIMAL(38, 0) AS vcpu_millicores_ms,
    sum(gpu_memory_mib * overlap_ms)::DECIMAL(38, 0) AS gpu_memory_mib_ms,
    sum(cluster_count * overlap_ms)::DECIMAL(38, 0) AS cluster_count_ms
FROM period_slices
WHERE overlap_ms > 0
GROUP BY ALL
