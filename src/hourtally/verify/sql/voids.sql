-- Grain: one distinct void that touches the hour. The reason is not content.
CREATE OR REPLACE TEMP TABLE voids AS
SELECT DISTINCT
    source,
    id,
    voided_source,
    voided_id,
    start_ms,
    end_ms
FROM {source}
