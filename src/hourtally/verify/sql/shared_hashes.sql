-- Grain: one identity hash that several slices have. Two identities may share a hash, so it only
-- narrows the search: duplicates and conflicts are decided by the identities themselves.
CREATE OR REPLACE TEMP TABLE shared_hashes AS
SELECT hash(event_source, event_id) AS identity_hash
FROM unvoided_slices
GROUP BY identity_hash
HAVING count(*) > 1
