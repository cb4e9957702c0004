-- Grain: one identity with several contents; its columns tell the one that counts.
SELECT
    event_source, event_id, contents, event_type, customer_id, project_id, resource_id, event_time_us
FROM standing
WHERE contents > 1
ORDER BY event_source, event_id
