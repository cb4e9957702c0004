-- Grain: one counted slice: the only one of its identity, or the winner among several.
CREATE OR REPLACE TEMP VIEW counted_slices AS
SELECT {columns}
FROM unvoided_slices
WHERE hash(event_source, event_id) NOT IN (SELECT identity_hash FROM shared_hashes)
UNION ALL
SELECT {columns}
FROM winners
