-- Grain: one row of the first hours and identities in which an event file and what is stored of it
-- differ. place: counts these from 1; places: how many there are in all.
SELECT
    *,
    dense_rank() OVER (ORDER BY hour_start_ms, {identity}) AS place,
    (SELECT count(*) FROM (SELECT DISTINCT hour_start_ms, {identity} FROM file_differences))
        AS places
FROM file_differences
QUALIFY place <= {most}
ORDER BY place, copies DESC, {columns}
