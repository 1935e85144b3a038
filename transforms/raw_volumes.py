"""Slices with a text header, MetaImage or NRRD, and raw or compressed pixels.

They are not read by SimpleITK, because it compares no checksums of compressed pixels, opens any file that a header
names (even pipes), and does not notice a header whose sizes are too small.
"""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.sizes import inflated, unpacked
from transforms.volumes import Slice, check_surplus

Array = NDArray[Any]

HEADER = 1 << 16
"""Largest size of a header in bytes."""


@dataclass(frozen=True, slots=True)
class RawVolume:
    """The content of a MetaImage or NRRD header.

    Attributes:
        plane: The slice.
        dtype: Type of the numbers, with byte order.
        file: Name of the pixel file; empty if the pixels follow the header.
        start: Position of the pixels in their file; if negative, they are its last bytes.
        unpack: Decompresses bytes up to a limit; ``None`` if they are not compressed.
    """

    plane: Slice
    dtype: np.dtype[Any]
    file: str
    start: int
    unpack: Callable[[bytes, int], bytes] | None

    def pixels(self, content: bytes) -> Array:
        """Pixels as displayed, (H, W) or (H, W, C), from the content of the pixel file.

        Raises:
            RadiographError: It is truncated or damaged, or has more bytes than its size requires.
        """
        needed = self.plane.numbers * self.dtype.itemsize
        data: bytes | memoryview = memoryview(content)[
            self.start if self.start >= 0 else max(0, len(content) - needed) :
        ]
        if self.unpack is not None:
            data = self.unpack(bytes(data), needed)
        if len(data) < needed:
            raise RadiographError(f"is truncated: {len(data)} bytes of pixels where its size needs {needed}")
        check_surplus(data, needed)
        values = np.frombuffer(data, dtype=self.dtype, count=self.plane.numbers)
        return self.plane.shown(values.astype(self.dtype.newbyteorder("="), copy=False))


def inflate(data: bytes, most: int) -> bytes:
    """Decompress zlib or gzip, like MetaIO; limit and errors are those of `inflated`."""
    return inflated(data, 47, most)


def gunzip(data: bytes, most: int) -> bytes:
    """Decompress gzip with any number of members; limit and errors are those of `inflated`."""
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return unpacked(file, most)


def bunzip(data: bytes, most: int) -> bytes:
    """Decompress bzip2; limit and errors are those of `inflated`."""
    with bz2.BZ2File(BytesIO(data)) as file:
        return unpacked(file, most)
