"""A curve as a line of characters, for tables of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 12


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """A curve as blocks between its lowest and its highest value; undefined values are spaces.

    Args:
        values: NaN if undefined.
        width: Characters at most; each stands for the mean of its share of the values.

    Example:
        >>> sparkline([0.0, 0.5, 1.0]), sparkline([1.0, float("nan"), 1.0]), sparkline([4.0, 2.0, 1.0, 1.0], width=2)
        ('▁▅█', '▁ ▁', '█▁')
    """
    count = min(width, len(values))
    edges = [len(values) * number // count for number in range(count + 1)] if count else []
    parts = [values[start:end] for start, end in itertools.pairwise(edges)]
    means = [sum(part) / len(part) for part in parts]
    defined = [value for value in means if not math.isnan(value)]
    if not defined:
        return " " * count
    low, high = min(defined), max(defined)
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(" " if math.isnan(value) else BLOCKS[round((value - low) / step)] for value in means)
