"""Tell a person something while a command works on, such as what it waits for."""

from __future__ import annotations

import contextlib
import sys

from hourtally.model.printable import printable_message


def notify(message: str) -> None:
    """Print a line to standard error, from whichever process or thread finds it out."""
    # Nobody may be there to read it, which is no reason to end the work.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"hourtally: {printable_message(message)}\n")
        sys.stderr.flush()
