"""Build many small objects, or import many modules, without searching for garbage in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch the search for reference cycles off, as a context or a decorator, while only what stays is created.

    It would take a third of the time of reading a datalist, half of that of building one, and a fifth of that of
    importing PyTorch, MONAI and MLflow.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # both together: all there is counts as old, and is not looked through at once
        if was_on:
            gc.enable()
