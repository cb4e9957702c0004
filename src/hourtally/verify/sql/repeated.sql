-- Grain: one hash that several slices' identities have. Two identities may share one: what is
-- decided about them is decided by the identities themselves.
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT hash(event_source, event_id) AS identity_hash
FROM held
GROUP BY identity_hash
HAVING count(*) > 1
