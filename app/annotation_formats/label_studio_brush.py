"""The run lengths of Label Studio's brush: bytes of the rle-pack library, over red, green, blue and opacity."""

from __future__ import annotations

import numpy as np

from app.datalist.item import RunLengths
from app.datalist.run_lengths import decode, encode


def decode_brush(packed: list[int], size: tuple[int, int]) -> RunLengths:
    """The pixels that a brush stroke covers: those whose opacity is not 0.

    Source: ``decode`` of rle-pack (thi.ng/umbrella), which Label Studio uses: 32 bits of count, 5 of word size less
    one, four times 4 of the sizes of run lengths less one; then for each run one bit (whether one word is repeated),
    2 bits that choose a size, the length less one, and one word or as many as the length.

    Args:
        packed: Bytes, 0 to 255.
        size: (height, width) of the image.

    Raises:
        ValueError: The bytes are no such run lengths, end early, or are not of four channels of this size.

    Example:
        >>> decode_brush([0, 0, 0, 4, 57, 27, 255, 0, 3, 255], (1, 1))  # one word of 8 bits, 255, four times
        RunLengths(size=(1, 1), counts=(0, 1))
    """
    if not packed or not all(type(each) is int and 0 <= each < 256 for each in packed):
        raise ValueError("its 'rle' must be a list of whole numbers from 0 to 255")
    bits = _Bits(bytes(packed))
    count, word = bits.take(32), bits.take(5) + 1
    if count != size[0] * size[1] * 4 or word > 16:
        raise ValueError(f"it holds {count} values of {word} bits, not 4 x {size[0]} x {size[1]} of up to 16")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, dtype=np.uint16)
    start = 0
    while start < count:
        is_repeated = bits.take(1)
        end = start + 1 + bits.take(lengths[bits.take(2)])
        if end > count:
            raise ValueError(f"its runs add up to {end} values or more, not to {count}")
        values[start:end] = bits.take(word) if is_repeated else [bits.take(word) for _ in range(start, end)]
        start = end
    return encode(values.reshape(*size, 4)[..., 3])


def encode_brush(mask: RunLengths) -> list[int]:
    """The bytes of a mask in this form, as repeated words of 8 bits, from which `decode_brush` makes the mask again.

    Example:
        >>> decode_brush(encode_brush(RunLengths((2, 3), (1, 2, 3))), (2, 3))
        RunLengths(size=(2, 3), counts=(1, 2, 3))
    """
    counts = encode(decode(mask).T).counts  # along the rows
    # Sizes of run lengths: 3, 4, 8 and 16 bits, of which only the last is used.
    bits = [f"{4 * sum(counts):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"]
    for index, count in enumerate(counts):
        rest = 4 * count
        while rest:
            length = min(rest, 1 << 16)
            bits.append(f"111{length - 1:016b}{255 * (index % 2):08b}")
            rest -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8))


class _Bits:
    """Reads numbers of some bits from bytes, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, count: int) -> int:
        first, end = self._position, self._position + count
        if end > 8 * len(self._data):
            raise ValueError("it ends early")
        self._position = end
        chunk = int.from_bytes(self._data[first // 8 : -(-end // 8)])
        return chunk >> (-end % 8) & ((1 << count) - 1)
