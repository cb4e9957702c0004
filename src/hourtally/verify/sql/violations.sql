-- Grain: one row: the number of slices that break a rule that ingest enforces.
SELECT count(*)
FROM stored_slices
WHERE
    (
        event_source <> ''
        AND event_id <> ''
        AND customer_id <> ''
        AND resource_id <> ''
        AND (
            event_type = 'metering.cluster.v1'
            OR (
                event_type = 'metering.resource.v1'
                AND team_id <> ''
                AND project_id <> ''
                AND resource_type <> ''
            )
        )
        AND slice_start_ms = greatest(start_ms, {hour_start_ms})
        AND slice_end_ms = least(end_ms, {hour_end_ms})
        AND slice_start_ms < slice_end_ms
        AND cpu_millicores BETWEEN 0 AND 10000000000
        AND memory_mib BETWEEN 0 AND 10000000000
        AND storage_mib BETWEEN 0 AND 10000000000
        AND gpu_milli BETWEEN 0 AND 10000000000
        AND vcpu_millicores BETWEEN 0 AND 10000000000
        AND gpu_memory_mib BETWEEN 0 AND 10000000000
        AND cluster_count BETWEEN 0 AND 10000000000
    ) IS NOT TRUE
