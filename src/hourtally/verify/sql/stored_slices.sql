-- Grain: one slice as it is stored, counted or not.
CREATE OR REPLACE TEMP VIEW stored_slices AS
SELECT * FROM {source}
UNION ALL BY NAME
-- Files of build version 1 lack this column.
SELECT CAST(NULL AS VARCHAR) AS gpu_capacity
WHERE FALSE
