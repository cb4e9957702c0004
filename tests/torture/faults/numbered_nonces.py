"""The command line with numbers as nonces, so that file names are predictable."""

from __future__ import annotations

import itertools
from unittest.mock import patch

from hourtally.cli.app import main

_numbers = itertools.count(1)


def _token_hex(length: int = 32) -> str:
    return f"{next(_numbers):0{2 * length}x}"


if __name__ == "__main__":
    with patch("secrets.token_hex", _token_hex):
        main()
