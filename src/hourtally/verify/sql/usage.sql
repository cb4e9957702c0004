-- Grain: one resource or cluster x its names x region x gpu_model, in one stretch of the hour in
-- which no rate changes. DuckDB adds BIGINT in 128 bits, and refuses a product beyond 64.
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
    {from_ms} AS from_ms,
    max(slice_end_ms) AS last_end_ms,
    sum(cpu_millicores * stretch_ms) AS cpu_millicores_ms,
    sum(memory_mib * stretch_ms) AS memory_mib_ms,
    sum(storage_mib * stretch_ms) AS storage_mib_ms,
    sum(gpu_milli * stretch_ms) AS gpu_milli_ms,
    sum(vcpu_millicores * stretch_ms) AS vcpu_millicores_ms,
    sum(gpu_memory_mib * stretch_ms) AS gpu_memory_mib_ms,
    sum(cluster_count * stretch_ms) AS cluster_count_ms
FROM (
    SELECT
        *,
        least(slice_end_ms, {until_ms}) - greatest(slice_start_ms, {from_ms}) AS stretch_ms
    FROM counted
)
WHERE stretch_ms > 0
GROUP BY ALL
