"""Reading ahead: a thread makes the next portion of the work ready while this one is worked on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T], stop: Callable[[], None]) -> Generator[T, None, None]:
    """Items of which a thread makes the next one while the caller has the one before.

    Args:
        items: Slow to come; none is None.
        stop: Called if nobody wants the next one any more, to let ``items`` end soon.

    Raises:
        Exception: Whatever ``items`` raises.

    Example:
        >>> list(read_ahead(iter("abc"), lambda: None))
        ['a', 'b', 'c']
    """
    thread = ThreadPoolExecutor(1, "read-ahead")
    try:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
    finally:
        stop()
        thread.shutdown()
