-- Grain: one published hour, from the manifest of its current revision. Sums over customers that
-- are held are not there: an hour's totals are of the others. Marks of pruned revisions have no folder.
WITH manifests AS (
    SELECT *
    FROM {manifests}
    WHERE folder IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY hour ORDER BY revision DESC) = 1
)
SELECT
    strptime(hour, '%Y-%m-%dT%H') AS hour,
    revision,
    currency,
    strptime(left(published_at, 19), '%Y-%m-%dT%H:%M:%S') AS published_at,
    CAST(inputs ->> '$.build' AS BIGINT) AS build,
    CAST({total} AS DECIMAL(38, 9)) AS total_cents,
    CAST({paas_total} AS DECIMAL(38, 9)) AS paas_total_cents,
    CAST({byoc_total} AS DECIMAL(38, 9)) AS byoc_total_cents,
    coalesce(CAST("rows" ->> '$.customers' AS BIGINT), 0) AS customers,
    coalesce(CAST(held ->> '$.customers' AS BIGINT), 0) AS held_customers,
    coalesce(CAST("rows" ->> '$.charges' AS BIGINT), 0) AS resources,
    coalesce(CAST("rows" ->> '$.clusters' AS BIGINT), 0) AS clusters,
    coalesce(CAST("rows" ->> '$.slices' AS BIGINT), 0) AS slices,
    duplicates,
    coalesce(CAST(conflicts ->> '$.count' AS BIGINT), 0) AS conflicts,
    coalesce(CAST(conflicts ->> '$.slices_not_counted' AS BIGINT), 0) AS slices_not_counted,
    coalesce(CAST(voids ->> '$.count' AS BIGINT), 0) AS voids,
    coalesce(CAST(voids ->> '$.slices_voided' AS BIGINT), 0) AS slices_voided
FROM manifests
