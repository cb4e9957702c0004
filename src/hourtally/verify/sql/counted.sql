-- Grain: one slice that counts.
CREATE OR REPLACE TEMP VIEW counted AS
SELECT {columns}
FROM held
WHERE hash(event_source, event_id) NOT IN (SELECT identity_hash FROM repeated)
UNION ALL
SELECT {columns}
FROM standing
