-- When usage keys are used.
-- Grain: one case x start x set of quantities above zero; slice_end_ms is the latest end.
-- `wanted` gives the case of a usage key in an hour. Case and quantities come as numbers, since
-- instants repeat: most events start where others do.
SELECT
    case_number,
    slice_start_ms,
    max(slice_end_ms) AS slice_end_ms,
    CAST(cpu_millicores > 0 AS UTINYINT) * 1
    + CAST(memory_mib > 0 AS UTINYINT) * 2
    + CAST(storage_mib > 0 AS UTINYINT) * 4
    + CAST(gpu_milli > 0 AS UTINYINT) * 8
    + CAST(vcpu_millicores > 0 AS UTINYINT) * 16
    + CAST(gpu_memory_mib > 0 AS UTINYINT) * 32
    + CAST(cluster_count > 0 AS UTINYINT) * 64 AS quantities
FROM slices
ANTI JOIN not_counted USING (slice_row)
INNER JOIN wanted
    ON
        slices.usage_key_low = wanted.usage_key_low
        AND slices.usage_key_high = wanted.usage_key_high
        AND CAST(floor(slice_start_ms / 3_600_000) AS BIGINT) = hour_number
GROUP BY ALL
