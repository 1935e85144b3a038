"""RLE Lossless against pydicom's own encoder."""

import numpy as np
import pytest
from pydicom.pixels.encoders.native import _encode_segment

from app.phantoms.rle import encode_frame


@pytest.mark.parametrize("columns", [1, 2, 127, 128, 129, 257, 300])
@pytest.mark.parametrize("values", [1, 2, 4, 4096], ids="{} values".format)
def test_the_bytes_are_pydicoms(columns, values):
    frame = np.random.default_rng(columns).integers(0, values, (5, columns)).astype(np.uint16)
    frame[2] = 0x0103  # a row of one value, between rows that begin and end otherwise
    low, high = (bytes(_encode_segment(frame.astype("<u2").tobytes()[byte::2], columns)) for byte in (0, 1))
    encoded = encode_frame(frame)
    assert encoded[64:] == high + low
    assert np.frombuffer(encoded[:64], "<u4").tolist() == [2, 64, 64 + len(high), *[0] * 13]
