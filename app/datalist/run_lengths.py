"""Masks as run lengths: from and to arrays, from the written forms of data sets, from shapes, unions, and boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from app.datalist.item import Box, RunLengths

if TYPE_CHECKING:
    import numpy as np

Size = tuple[int, int]
"""(height, width)."""
Run = tuple[int, int]
"""First and one past the last pixel of a run that is on, counted down the columns."""


def encode(mask: np.ndarray) -> RunLengths:
    """Run lengths of a mask (H, W), in which everything but 0 is on.

    Example:
        >>> import numpy as np
        >>> encode(np.array([[0, 1, 0], [1, 0, 0]]))
        RunLengths(size=(2, 3), counts=(1, 2, 3))
    """
    import numpy as np

    height, width = mask.shape
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(edges, prepend=0, append=flat.size).tolist()
    return RunLengths((height, width), tuple([0, *counts] if flat[0] else counts))


def decode(mask: RunLengths) -> np.ndarray:
    """The mask (H, W) uint8, 0 or 1."""
    from transforms.shapes import run_length_mask

    return run_length_mask(mask.size, mask.counts)


def from_relative(text: str, size: Size) -> RunLengths:
    """Run lengths from SIIM's form: offset from the end of the last run, then length, alternately.

    Args:
        text: Whole numbers separated by blanks, down the columns, such as ``557374 2 1015 8``.
        size: (height, width) of the mask.

    Raises:
        ValueError: The text holds something else, a negative number, an odd number of numbers, a run without length,
            or more pixels than the mask has.

    Example:
        >>> from_relative("1 2", (2, 3)).counts
        (1, 2, 3)
    """
    try:
        counts = [int(word) for word in text.split()]
    except ValueError as error:
        raise ValueError(f"run lengths are whole numbers separated by blanks, not {_short(text)}.") from error
    rest = size[0] * size[1] - sum(counts)
    if not counts or len(counts) % 2 or min(counts) < 0 or 0 in counts[1::2] or rest < 0:
        raise ValueError(
            f"run lengths must be pairs of offset and length, none negative, no length 0, together at most "
            f"{size[0]} x {size[1]}, not {len(counts)} numbers of sum {sum(counts)} in {_short(text)}."
        )
    return RunLengths(size, (*counts, rest) if rest else tuple(counts))


def from_row_starts(text: str, size: Size) -> RunLengths:
    """Run lengths from CheXmask's form: first pixel of a run, counted from 1 along the rows, then its length.

    Args:
        text: Whole numbers separated by blanks, such as ``2 1 4 1``; empty for a mask that is nowhere on.
        size: (height, width) of the mask.

    Raises:
        ValueError: The text holds something else, an odd number of numbers, or a run that is not within the mask.

    Example:
        >>> from_row_starts("2 1 4 1", (2, 3))  # the second pixel of the first row, the first of the second
        RunLengths(size=(2, 3), counts=(1, 2, 3))
    """
    import numpy as np

    try:
        numbers = np.array(text.split(), dtype=np.int64)
    except ValueError as error:
        raise ValueError(f"run lengths are whole numbers separated by blanks, not {_short(text)}.") from error
    first, length = numbers[0::2] - 1, numbers[1::2]
    pixels = size[0] * size[1]
    if len(first) != len(length) or (len(first) and (first.min() < 0 or length.min() < 1)):
        raise ValueError(f"run lengths must be pairs of start and length, each 1 or more, not {_short(text)}.")
    if len(first) and (first + length).max() > pixels:
        raise ValueError(f"run lengths {_short(text)} reach beyond the mask of {size[0]} x {size[1]} pixels.")
    changes = np.zeros(pixels + 1, dtype=np.int32)
    np.add.at(changes, first, 1)
    np.add.at(changes, first + length, -1)
    return encode(changes[:-1].cumsum().reshape(size))


def from_compressed(text: str, size: Size) -> RunLengths:
    """Run lengths from COCO's compressed form.

    Each character holds five bits, the lowest first; from the fourth count on, differences to the last but one are
    stored.

    Raises:
        ValueError: The text holds other characters than COCO's, or lengths that do not add up to the mask.

    Example:
        >>> from_compressed("123", (2, 3)).counts
        (1, 2, 3)
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{_short(text)} are no compressed run lengths: character {character!r}.")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            # The highest bit of the last group is the sign.
            if bits & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift or min(counts, default=-1) < 0 or sum(counts) != size[0] * size[1]:
        raise ValueError(f"compressed run lengths {_short(text)} do not add up to {size[0]} x {size[1]} pixels.")
    return RunLengths(size, tuple(counts))


def from_row_runs(runs: Iterable[Run], size: Size) -> RunLengths:
    """The mask of runs that are counted along the rows; each is the first and one past the last pixel that is on.

    Example:
        >>> from_row_runs([(1, 2), (3, 4)], (2, 3)).counts
        (1, 2, 3)
    """
    import numpy as np

    mask = np.zeros(size[0] * size[1], dtype=bool)
    for first, last in runs:
        mask[first:last] = True
    return encode(mask.reshape(size))


def union(masks: Sequence[RunLengths]) -> RunLengths:
    """The mask that is on where any of the masks is.

    Raises:
        ValueError: There is no mask, or the masks differ in size.
    """
    sizes = {mask.size for mask in masks}
    if len(sizes) != 1:
        raise ValueError(f"a union is of one mask or more, all of one size, not of sizes {sorted(sizes)}.")
    return _from_runs((run for mask in masks for run in runs_of(mask)), masks[0].size)


def resized(mask: RunLengths, size: Size) -> RunLengths:
    """The mask on a grid of another (height, width): each new pixel takes the old pixel that holds its centre."""
    if mask.size == size:
        return mask
    import numpy as np

    rows, columns = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(np.intp)
        for new, old in zip(size, mask.size, strict=True)
    )
    return encode(decode(mask)[np.ix_(rows, columns)])


def ellipses(boxes: Iterable[Box], size: Size) -> RunLengths:
    """The union of the ellipses inscribed in boxes: pixels whose centres are inside.

    Source: Kim et al. 2023, where ellipses in boxes stand for nodules. An ellipse that holds no pixel's centre is the
    pixel that holds its own centre.
    """
    return _from_runs((run for box in boxes for run in _ellipse_runs(box, size)), size)


def rectangles(boxes: Iterable[Box], size: Size) -> RunLengths:
    """The union of full boxes: pixels whose centres are inside.

    Example:
        >>> rectangles([Box("Nodule", 1, 0, 2, 1)], (2, 4)).counts
        (2, 1, 1, 1, 3)
    """
    return _from_runs((run for box in boxes for run in _rectangle_runs(box, size)), size)


def extent(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and the columns of the smallest box around all that is on in a mask (H, W); none if nothing is.

    Example:
        >>> import numpy as np
        >>> extent(np.array([[0, 0, 0], [0, 1, 1]]))
        (slice(1, 2, None), slice(1, 3, None))
    """
    import numpy as np

    rows, columns = (np.flatnonzero(mask.any(axis=axis)).tolist() or [0, -1] for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def boxes_of(mask: np.ndarray, finding: str) -> list[Box]:
    """The smallest box around each region of a mask (H, W); pixels that touch at a corner are in one region."""
    import cv2
    import numpy as np

    rows, columns = extent(mask)
    if rows.start == rows.stop:
        return []
    # A finding covers a small part of an image; searching all of it would take most of the time.
    top, left = rows.start, columns.start
    part = np.ascontiguousarray(mask[rows, columns], dtype=np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8)
    return [
        Box(finding, float(left + x), float(top + y), float(width), float(height))
        for x, y, width, height, _ in stats[1:].tolist()
    ]


def polygon(points: Sequence[float], size: Size) -> RunLengths:
    """Pixels whose centres are in a polygon, by the even-odd rule.

    Args:
        points: x, y, x, y, ... of three corners or more.
        size: (height, width) of the mask; what is outside it is cut off.

    Raises:
        ValueError: There are fewer than three corners, or one is not two finite numbers.

    Example:
        >>> polygon([0, 0, 2, 0, 2, 1, 0, 1], (2, 3)).counts
        (0, 1, 1, 1, 3)
    """
    if len(points) < 6 or len(points) % 2 or not all(_is_finite(value) for value in points):
        raise ValueError(f"a polygon must have three points or more of two numbers each, not {len(points)} numbers")
    import numpy as np

    corners = np.array(points, dtype=float).reshape(-1, 2)
    (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, axis=0).T
    # Each edge crosses the columns whose centres lie between its ends.
    first = np.maximum(np.ceil(np.minimum(x, next_x) - 0.5), 0).astype(int)
    end = np.minimum(np.ceil(np.maximum(x, next_x) - 0.5), size[1]).astype(int)
    spans = np.maximum(end - first, 0)
    edge = np.repeat(np.arange(len(corners)), spans)
    column = np.arange(len(edge)) - np.repeat(spans.cumsum() - spans, spans) + first[edge]
    heights = y[edge] + (column + 0.5 - x[edge]) / (next_x[edge] - x[edge]) * (next_y[edge] - y[edge])
    order = np.lexsort((heights, column))
    # A centre is inside if an odd number of edges is above it: between the first and the second, and so on.
    tops, bottoms = heights[order][0::2], heights[order][1::2]
    top_rows = np.maximum(np.floor(tops - 0.5) + 1, 0).astype(int)
    end_rows = np.minimum(np.floor(bottoms - 0.5) + 1, size[0]).astype(int)
    starts = column[order][0::2] * size[0]
    runs = np.stack([starts + top_rows, starts + end_rows], axis=1)[top_rows < end_rows]
    return _from_runs(map(tuple, runs.tolist()), size)


def runs_of(mask: RunLengths) -> list[Run]:
    """The runs that are on, in order."""
    ends = list(accumulate(mask.counts))
    return [(ends[index - 1], ends[index]) for index in range(1, len(ends), 2) if ends[index] > ends[index - 1]]


def _from_runs(runs: Iterable[Run], size: Size) -> RunLengths:
    """The mask that is on in any of the runs, which may overlap and come in any order."""
    counts: list[int] = []
    end = 0
    for first, last in sorted(runs):
        if counts and first <= end:
            counts[-1] += max(0, last - end)
        else:
            counts += [first - end, last - first]
        end = max(end, last)
    rest = size[0] * size[1] - end
    return RunLengths(size, tuple([*counts, rest] if rest or not counts else counts))


def _ellipse_runs(box: Box, size: Size) -> list[Run]:
    centre_x, centre_y = box.x + box.width / 2, box.y + box.height / 2
    runs = []
    for column in range(max(0, math.floor(box.x)), min(size[1], math.ceil(box.x + box.width))):
        inside = 1 - ((column + 0.5 - centre_x) / (box.width / 2)) ** 2
        if inside >= 0:
            half = box.height / 2 * math.sqrt(inside)
            runs += _column_runs(column, centre_y - half, centre_y + half, size)
    row, column = math.floor(centre_y), math.floor(centre_x)
    if not runs and 0 <= row < size[0] and 0 <= column < size[1]:
        return [(column * size[0] + row, column * size[0] + row + 1)]
    return runs


def _rectangle_runs(box: Box, size: Size) -> list[Run]:
    first, last = math.ceil(box.x - 0.5), math.floor(box.x + box.width - 0.5)
    columns = range(max(0, first), min(size[1] - 1, last) + 1)
    return [run for column in columns for run in _column_runs(column, box.y, box.y + box.height, size)]


def _column_runs(column: int, top: float, bottom: float, size: Size) -> list[Run]:
    """The run of those pixels in a column whose centres are between two heights, if there are any."""
    first, last = max(0, math.ceil(top - 0.5)), min(size[0] - 1, math.floor(bottom - 0.5))
    return [(column * size[0] + first, column * size[0] + last + 1)] if first <= last else []


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:30]}...")
