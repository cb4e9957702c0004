-- Grain: one slice of the hour, from the event store's Parquet files.
CREATE TEMP VIEW source AS
SELECT
    event_source,
    event_id,
    event_type,
    customer_id,
    team_id,
    project_id,
    resource_type,
    resource_id,
    team_name,
    project_name,
    resource_name,
    gpu_model,
    cpu_millicores,
    memory_mib,
    storage_mib,
    gpu_milli,
    vcpu_millicores,
    gpu_memory_mib,
    cluster_count,
    slice_start_ms AS start_ms,
    slice_end_ms AS end_ms
FROM read_parquet(getvariable('events'), hive_partitioning = false);
