"""Build many small objects without searching for garbage in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch the search for reference cycles off, as a context or a decorator, while only new items are created.

    It would take a third of the time of reading a datalist, and half of that of building one.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
