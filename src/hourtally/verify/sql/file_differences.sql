-- Grain: one slice or void of an hour that is stored more or less often than the event file has
-- it. copies: how much more often the event file has it. Some of the identities at a time, which
-- bounds memory.
INSERT INTO file_differences BY NAME
WITH
both_sides AS (
    SELECT {columns}, hour_start_ms, line, 1 AS copies
    FROM {expected}
    WHERE hash({identity}) % {parts} = {part}
    UNION ALL
    SELECT {columns}, hour_start_ms, NULL AS line, -1 AS copies
    FROM {stored}
    WHERE hash({identity}) % {parts} = {part}
)

SELECT
    {columns},
    hour_start_ms,
    max(line) AS line,
    sum(copies)::BIGINT AS copies
FROM both_sides
GROUP BY {columns}, hour_start_ms
HAVING sum(copies) <> 0
