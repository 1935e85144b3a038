"""Whether a file is DICOM, by its first bytes and without pydicom."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

HEAD = 512
"""Number of first bytes that show whether a file is DICOM."""

_ByteOrder = Literal["little", "big"]

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""Value representations whose length takes four bytes (PS3.5, section 7.1.2)."""
_VRS = _LONG | frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())


def is_dicom(path: str | os.PathLike[str]) -> bool:
    """Whether a file is DICOM by its first bytes, with or without preamble and file meta information.

    Raises:
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        return looks_like_dicom(file.read(HEAD))


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file (132 or more) are those of a DICOM file.

    Without a preamble, they must be an element of group 2 or 8, followed by the tag of another one within these bytes:
    a higher one, in the same group or a following one.
    """
    if head[128:132] == b"DICM" or head.startswith(b"DICM\x02\0"):
        return True
    order: _ByteOrder = "little" if re.match(rb"[\x02\x08]\0", head) else "big"
    first, start = _element_at(head, 0, order)
    if first is None or first >> 16 not in (2, 8):
        return False
    if start + 4 > len(head):
        # Too long for the next element to be visible; the first elements of an image are not that long.
        return start - 8 <= 2**16 and len(head) >= 12
    second = _tag_at(head, start, order)
    return first < second and second >> 16 <= 0x10


def _tag_at(head: bytes, start: int, order: _ByteOrder) -> int:
    group, number = head[start : start + 2], head[start + 2 : start + 4]
    return int.from_bytes(group, order) << 16 | int.from_bytes(number, order)


def _element_at(head: bytes, start: int, order: _ByteOrder) -> tuple[int | None, int]:
    """An element's tag and end, or no tag if the bytes are not an element."""
    tag, vr = _tag_at(head, start, order), head[start + 4 : start + 6]
    if len(head) < start + 8:
        return None, start
    if vr in _VRS:
        long = vr in _LONG
        field = head[start + 8 : start + 12] if long else head[start + 6 : start + 8]
        return tag, start + (12 if long else 8) + int.from_bytes(field, order)
    # Implicit VR: the value's length follows the tag directly.
    length = int.from_bytes(head[start + 4 : start + 8], order)
    return (tag if length <= 2**16 else None), start + 8 + length
