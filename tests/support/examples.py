"""How many examples hypothesis tries: a share of them in `make test`, all in `make test-slow`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pytest
from hypothesis import seed, settings

_OTHER_SEED: Final = 1
Test = TypeVar("Test", bound=Callable[..., Any])


def examples(count: int, *, fast: int) -> Callable[[Test], Test]:
    """Try so many examples where all are asked for (`ALL_EXAMPLES=1`), or else the fast number.

    For tests of which each example costs tens of milliseconds. `make test-slow` selects them by
    their marker and asks for all examples, so that every change is still tried with the count: in
    CI, where each run of a test draws the same examples, with the fast ones before, and others.
    """
    if not os.environ.get("ALL_EXAMPLES"):
        return lambda test: _limited(test, fast)
    if not os.environ.get("CI"):
        return lambda test: _limited(test, count)
    return lambda test: seed(_OTHER_SEED)(_limited(test, count - fast))


def _limited(test: Test, number: int) -> Test:
    marked: Test = pytest.mark.examples(settings(max_examples=number)(test))
    return marked
