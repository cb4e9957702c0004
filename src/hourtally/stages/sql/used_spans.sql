-- When usage keys are used.
-- Grain: one case x start x which quantities are above zero; until_ms is the latest end.
-- `wanted` gives the case of a usage key in an hour.
SELECT
    case_number,
    slice_start_ms AS from_ms,
    max(slice_end_ms) AS until_ms,
    cpu_millicores > 0 AS cpu_millicores,
    memory_mib > 0 AS memory_mib,
    storage_mib > 0 AS storage_mib,
    gpu_milli > 0 AS gpu_milli,
    vcpu_millicores > 0 AS vcpu_millicores,
    gpu_memory_mib > 0 AS gpu_memory_mib,
    cluster_count > 0 AS cluster_count
FROM slices
ANTI JOIN not_counted USING (slice_row)
INNER JOIN wanted
    ON
        slices.usage_key_low = wanted.usage_key_low
        AND slices.usage_key_high = wanted.usage_key_high
        AND CAST(floor(slice_start_ms / 3_600_000) AS BIGINT) = hour_number
GROUP BY ALL
