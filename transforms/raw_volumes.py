"""A slice whose header is text, MetaImage or NRRD, with its pixels as they are, or compressed.

They are read here and not by SimpleITK, which compares no checksum of compressed pixels, opens whatever file a header
names (pipes as well), and does not tell a header with sizes that are too small.
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
"""Most bytes of a header; what is behind them is pixels."""


@dataclass(frozen=True, slots=True)
class RawVolume:
    """What a MetaImage or NRRD header says.

    Attributes:
        plane: the slice.
        dtype: of the numbers, with their byte order.
        file: name of the file of pixels; "" where they follow the header.
        start: where they begin in it; negative: they are its last bytes.
        unpack: from the bytes and the most of them to those decompressed; ``None`` where they are as they are.
    """

    plane: Slice
    dtype: np.dtype[Any]
    file: str
    start: int
    unpack: Callable[[bytes, int], bytes] | None

    def pixels(self, content: bytes) -> Array:
        """Pixels as shown, (H, W) or (H, W, C), of the content of the file of pixels.

        Raises:
            RadiographError: truncated, damaged, or more bytes than there should be.
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
    """Decompress zlib or gzip, as MetaIO does; limit and errors as those of `inflated`."""
    return inflated(data, 47, most)


def gunzip(data: bytes, most: int) -> bytes:
    """Decompress gzip of any number of members; limit and errors as those of `inflated`."""
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return unpacked(file, most)


def bunzip(data: bytes, most: int) -> bytes:
    """Decompress bzip2; limit and errors as those of `inflated`."""
    with bz2.BZ2File(BytesIO(data)) as file:
        return unpacked(file, most)
