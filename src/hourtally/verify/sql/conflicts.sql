-- Grain: one conflict: an identity with several contents. The columns are the winner's.
SELECT
    event_source, event_id, contents, event_type, customer_id, project_id, resource_id, event_time_us
FROM winners
WHERE contents > 1
ORDER BY event_source, event_id
