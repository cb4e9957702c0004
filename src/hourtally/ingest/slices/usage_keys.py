"""A 128-bit key for the texts that tell one row of usage from another.

DuckDB groups the slices of several files by two integers in a third of the time that eleven
texts take. Different texts must never share a key, even where someone picks names to make them
collide: the key is a BLAKE2b digest, and finding two equal ones takes about 2^64 attempts.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import polars as pl

from hourtally.model.schemas import USAGE_KEY, USAGE_TEXTS

_DIGEST_BYTES: Final = 16
# Batches of build version 1 lack the capacity. Without one a key is what it was then, so that
# their slices and newer ones are one row of usage.
_ADDED: Final = "gpu_capacity"


def usage_keys(texts: pl.DataFrame) -> pl.DataFrame:
    """The `USAGE_KEY` of each row of `USAGE_TEXTS`. Python hashes each row: pass distinct rows."""
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
    """All texts as one byte string: each as `LENGTH:TEXT`, with its length in bytes; null as `-`.

    The capacity comes last, and only where there is one. The encoding can be decoded
    unambiguously from left to right, so different texts have different encodings.
    """
    fields = []
    for name in USAGE_TEXTS:
        length = pl.col(name).str.len_bytes().cast(pl.String)
        absent = "" if name == _ADDED else "-"
        fields.append(pl.concat_str(length, pl.lit(":"), name).fill_null(absent))
    return pl.concat_str(fields).cast(pl.Binary).alias("encoded")
