-- Grain: one stored slice of an identity that no void of the hour cancels.
CREATE OR REPLACE TEMP VIEW unvoided_slices AS
SELECT *
FROM stored_slices
ANTI JOIN voids ON event_source = voided_source AND event_id = voided_id
