-- Grain: one slice as it is stored, or one that equals another and is taken back: its quantities
-- are below zero, so that sums count each content once, and as the one that counts stays there,
-- keys and ends of slices are what they are without it. To join ten million slices with those
-- that are to be left out takes as long as all the sums.
SELECT {columns} FROM ({slices})
UNION ALL
SELECT {columns} FROM taken_back
