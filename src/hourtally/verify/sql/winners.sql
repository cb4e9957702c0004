-- Grain: one identity with a shared hash, with its winning content: the one that counts.
-- contents: how many different contents it has; duplicates: how many slices repeat one of them.
CREATE OR REPLACE TEMP TABLE winners AS
WITH
-- each content of an identity once, with its earliest event time
contents AS (
    SELECT
        event_source,
        event_id,
        event_type,
        customer_id,
        team_id,
        project_id,
        resource_id,
        team_name,
        project_name,
        resource_name,
        resource_type,
        region,
        start_ms,
        end_ms,
        cpu_millicores,
        vcpu_millicores,
        memory_mib,
        storage_mib,
        gpu_memory_mib,
        cluster_count,
        gpu_milli,
        gpu_model,
        gpu_capacity,
        slice_start_ms,
        slice_end_ms,
        min(event_time_us) AS event_time_us,
        count(*) AS copies
    FROM unvoided_slices
    WHERE hash(event_source, event_id) IN (SELECT identity_hash FROM shared_hashes)
    GROUP BY ALL
)

SELECT
    *,
    count(*) OVER same_identity AS contents,
    sum(copies - 1) OVER same_identity AS duplicates
FROM contents
WINDOW same_identity AS (PARTITION BY event_source, event_id)
QUALIFY
    row_number() OVER (
        PARTITION BY event_source, event_id
        ORDER BY
            event_time_us NULLS LAST,
            event_type,
            customer_id,
            team_id NULLS FIRST,
            project_id NULLS FIRST,
            resource_id,
            team_name NULLS FIRST,
            project_name NULLS FIRST,
            resource_name NULLS FIRST,
            resource_type NULLS FIRST,
            region NULLS FIRST,
            start_ms,
            end_ms,
            cpu_millicores,
            vcpu_millicores,
            memory_mib,
            storage_mib,
            gpu_memory_mib,
            cluster_count,
            gpu_milli,
            gpu_model NULLS FIRST,
            gpu_capacity NULLS FIRST
    ) = 1
