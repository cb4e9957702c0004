"""A key of 128 bits for the texts that tell one row of usage from another.

Slices of several files are grouped by two whole numbers in a third of the time that eleven
texts take. Different texts must not share a key, also where somebody chooses names to that
end: it is a BLAKE2b digest, of which 2^64 have to be tried for two equal ones.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import polars as pl

from hourtally.model.schemas import USAGE_KEY, USAGE_TEXTS

_DIGEST_BYTES: Final = 16


def usage_keys(texts: pl.DataFrame) -> pl.DataFrame:
    """The `USAGE_KEY` of each row's `USAGE_TEXTS`. Every row is hashed: give it distinct ones."""
    digests = [
        blake2b(encoded, digest_size=_DIGEST_BYTES).digest()
        for encoded in texts.select(_encoded()).to_series()
    ]
    key = pl.Series(digests, dtype=pl.Binary).bin
    halves = (key.slice(first, _DIGEST_BYTES // 2) for first in (0, _DIGEST_BYTES // 2))
    return pl.DataFrame(
        {
            name: half.bin.reinterpret(dtype=pl.UInt64, endianness="big")
            for name, half in zip(USAGE_KEY, halves, strict=True)
        }
    )


def _encoded() -> pl.Expr:
    """All texts as one, in bytes: each behind its length in bytes and `:`, an absent one as `-`.

    Read from its beginning it has one meaning, so different texts are different here too.
    """
    fields = []
    for name in USAGE_TEXTS:
        length = pl.col(name).str.len_bytes().cast(pl.String)
        fields.append(pl.concat_str(length, pl.lit(":"), name).fill_null("-"))
    return pl.concat_str(fields).cast(pl.Binary).alias("encoded")
