"""Threads that work ahead a little, and yield results in the order of the work."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import TypeVar

Result = TypeVar("Result")


def ordered_map(
    threads: int,
    call: Callable[..., Result],
    work: Iterable[tuple[object, ...]],
    ahead: int = 1,
) -> Iterator[Result]:
    """`call(*item)` for each item, `threads` at a time, in the order of the items.

    At most `threads + ahead` results are pending at any time, which bounds the memory.
    """
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for item in work:
                pending.append(pool.submit(call, *item))
                if len(pending) >= threads + ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def import_in_background(module: str) -> Iterator[None]:
    """Import a slow module in a thread while the body runs, which leaves a core idle."""
    if module in sys.modules:
        yield
        return
    with run_in_background(import_module, module) as importing:
        yield
    importing.result()


@contextmanager
def run_in_background(call: Callable[..., Result], *arguments: object) -> Iterator[Future[Result]]:
    """Run a call in a thread while the body runs; it has ended when the body's block has."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments)
