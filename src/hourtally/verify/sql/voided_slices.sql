-- Grain: one stored slice of an identity that a void of the hour cancels.
CREATE OR REPLACE TEMP TABLE voided_slices AS
SELECT
    event_source,
    event_id,
    start_ms,
    end_ms
FROM stored_slices
SEMI JOIN voids ON event_source = voided_source AND event_id = voided_id
