-- Grain: one slice as it is stored, counted or not.
CREATE OR REPLACE TEMP VIEW stored_slices AS
SELECT * FROM {source}
