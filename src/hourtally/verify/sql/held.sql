-- Grain: one slice as it is stored, counted or not.
CREATE OR REPLACE TEMP VIEW held AS
SELECT * FROM {source}
