-- Grain: one event, from NDJSON; none of these events leaves its hour.
CREATE TEMP VIEW source AS
SELECT
    source AS event_source,
    id AS event_id,
    type AS event_type,
    data.customerId AS customer_id,
    data.teamId AS team_id,
    data.projectId AS project_id,
    data.resourceType AS resource_type,
    coalesce(data.resourceId, data.clusterId) AS resource_id,
    data.teamName AS team_name,
    data.projectName AS project_name,
    data.resourceName AS resource_name,
    data.gpuModel AS gpu_model,
    coalesce(data.cpuMillicores, 0) AS cpu_millicores,
    coalesce(data.memoryMiB, 0) AS memory_mib,
    coalesce(data.storageMiB, 0) AS storage_mib,
    coalesce(data.gpuMilli, 0) AS gpu_milli,
    coalesce(data.vcpuMillicores, 0) AS vcpu_millicores,
    coalesce(data.gpuMemoryMiB, 0) AS gpu_memory_mib,
    coalesce(data.clusterCount, 1) AS cluster_count,
    epoch_ms(data."start") AS start_ms,
    epoch_ms(data."end") AS end_ms
FROM read_json(
    getvariable('events'),
    format = 'newline_delimited',
    columns = getvariable('columns')
);
