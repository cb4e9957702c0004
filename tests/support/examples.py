"""How many examples hypothesis tries: a share of them in `make test`, all in `make test-slow`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

Test = TypeVar("Test", bound=Callable[..., Any])


def examples(count: int, *, fast: int) -> Callable[[Test], Test]:
    """Try so many examples where all are asked for (`ALL_EXAMPLES=1`), or else the fast number.

    For tests of which each example costs tens of milliseconds. `make test-slow` selects them by
    their marker and asks for all examples, so that every change is still tried with the count.
    """
    number = count if os.environ.get("ALL_EXAMPLES") else fast

    def limited(test: Test) -> Test:
        marked: Test = pytest.mark.examples(settings(max_examples=number)(test))
        return marked

    return limited
