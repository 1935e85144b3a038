"""MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr): a header of text, then pixels as they are, or compressed.

They are read here and not by SimpleITK, which compares no checksum of compressed pixels, opens whatever file a header
names (pipes as well), and does not tell a header with sizes that are too small.
"""

from __future__ import annotations

import bz2
import gzip
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.sizes import inflated, unpacked
from transforms.turning import Direction
from transforms.volumes import Slice, check_surplus, one_slice

Array = NDArray[Any]

HEADER = 1 << 16
"""Most bytes of a header; what is behind them is pixels."""

_META_TYPES = {
    "CHAR": "i1",
    "UCHAR": "u1",
    "SHORT": "i2",
    "USHORT": "u2",
    "INT": "i4",
    "UINT": "u4",
    "LONG": "i4",  # as MetaIO has it on every system
    "ULONG": "u4",
    "LONG_LONG": "i8",
    "ULONG_LONG": "u8",
    "FLOAT": "f4",
    "DOUBLE": "f8",
}
_NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_NRRD_AXES = {"left": 1, "right": -1, "posterior": 1, "anterior": -1, "superior": 1, "inferior": -1}
"""The sign of each direction's part in ours: left, back, head."""
_NRRD_COLOURS = ("rgb-color", "rgba-color", "3-color", "4-color", "vector", "3-vector", "4-vector", "list")


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


def looks_like_raw_volume(head: bytes) -> bool:
    """Whether a file begins as a MetaImage or NRRD header does."""
    return head.startswith(b"NRRD000") or bool(re.search(rb"(?m)^[ \t]*NDims[ \t]*=", head[:8192]))


def raw_volume(head: bytes) -> RawVolume:
    """Read the header of a MetaImage or NRRD file.

    Args:
        head: the file's first bytes, ``HEADER`` of them or more where there are as many.

    Raises:
        RadiographError: damaged, not one slice, or stored in a way that is not read.
    """
    try:
        return _nrrd(head[:HEADER]) if head.startswith(b"NRRD") else _meta_image(head[:HEADER])
    except KeyError as error:
        raise RadiographError(f"is damaged: its header lacks {error.args[0]!r}") from error
    except RadiographError:
        raise
    except ValueError as error:
        raise RadiographError(f"is damaged: its header cannot be read ({error})") from error


def _meta_image(head: bytes) -> RawVolume:
    found = re.search(rb"(?m)^[ \t]*ElementDataFile[ \t]*=([^\n]*)\n?", head)
    if found is None:
        raise KeyError("ElementDataFile")
    lines = head[: found.end()].decode("latin-1").splitlines()
    fields = {name.strip(): value.strip() for name, mark, value in (line.partition("=") for line in lines) if mark}
    file = fields["ElementDataFile"]
    if file == "LIST" or "%" in file:
        raise RadiographError("keeps its pixels in several files; convert it to one, e.g. as .mha")
    if not _yes(fields, "BinaryData", "True"):
        raise RadiographError("keeps its pixels as text; convert it, e.g. to a binary .mha")
    if fields["ElementType"].removeprefix("MET_") not in _META_TYPES:
        raise RadiographError(f"has the ElementType {fields['ElementType'][:32]!r}, which is none of real numbers")
    axes = int(fields["NDims"])
    lengths = [int(length) for length in fields["DimSize"].split()]
    if len(lengths) != axes:
        raise ValueError(f"{len(lengths)} lengths of {axes} axes")
    matrix = next((fields[name] for name in ("TransformMatrix", "Rotation", "Orientation") if name in fields), "")
    order = ">" if any(_yes(fields, f"{name}ByteOrderMSB", "False") for name in ("BinaryData", "Element")) else "<"
    is_local = file.upper() == "LOCAL"
    skip = int(fields.get("HeaderSize", "0"))
    spacing = [float(size) for size in fields.get("ElementSpacing", fields.get("ElementSize", "")).split()]
    return RawVolume(
        one_slice(lengths, _rows(matrix, axes), spacing, int(fields.get("ElementNumberOfChannels", "1"))),
        np.dtype(order + _META_TYPES[fields["ElementType"].removeprefix("MET_")]),
        "" if is_local else file,
        found.end() if is_local else skip,
        _inflate if _yes(fields, "CompressedData", "False") else None,
    )


def _nrrd(head: bytes) -> RawVolume:
    found = re.search(rb"\r?\n\r?\n", head)
    text = (head if found is None else head[: found.start()]).decode("latin-1")
    pairs = (line.partition(":") for line in text.splitlines()[1:] if not line.startswith("#") and ":=" not in line)
    fields = {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}
    file = fields.get("data file", fields.get("datafile", ""))
    if file.startswith("LIST") or "%" in file:
        raise RadiographError("keeps its pixels in several files; convert it to one, e.g. as .nrrd")
    if not file and found is None:
        raise RadiographError("is truncated: its NRRD header has no end")
    encoding = fields["encoding"].lower()
    if encoding not in _ENCODINGS or int(fields.get("line skip", fields.get("lineskip", "0"))):
        raise RadiographError(f"has the encoding {encoding[:16]!r} or skips lines; convert it, e.g. to one of gzip")
    if fields["type"].lower() not in _NRRD_TYPES:
        raise RadiographError(f"has the type {fields['type'][:32]!r}, which is none of real numbers")
    kind = _NRRD_TYPES[fields["type"].lower()]
    if kind[1] != "1" and fields["endian"].lower() not in ("little", "big"):
        raise ValueError(f"endian {fields['endian'][:16]!r}")
    lengths = [int(length) for length in fields["sizes"].split()]
    if len(lengths) != int(fields["dimension"]):
        raise ValueError(f"{len(lengths)} lengths of {fields['dimension']} axes")
    has_colours = (fields.get("kinds", "").lower().split() or [""])[0] in _NRRD_COLOURS
    axes = slice(1 if has_colours else 0, None)
    steps, spacing = _nrrd_axes(fields, axes)
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if skip and _ENCODINGS[encoding] is not None:
        raise RadiographError("skips bytes of its compressed pixels; convert it, e.g. to one of gzip without byte skip")
    return RawVolume(
        one_slice(lengths[axes], steps, spacing, lengths[0] if has_colours else 1),
        np.dtype((">" if fields.get("endian", "").lower() == "big" else "<") + kind),
        file,
        skip if file or skip < 0 or found is None else found.end() + skip,
        _ENCODINGS[encoding],
    )


def _nrrd_axes(fields: Mapping[str, str], axes: slice) -> tuple[list[Direction] | None, list[float]]:
    """Where the axes run, ``None`` where that is not said, and their spacing."""
    vectors = re.findall(r"none|\([^()]*\)", fields.get("space directions", ""))[axes]
    steps = [[float(part) for part in re.findall(r"[^,\s()]+", vector)] for vector in vectors if vector != "none"]
    if not steps or len(steps) < len(vectors):
        return None, [float(size) for size in fields.get("spacings", "").split()[axes]]
    spacing = [math.hypot(*step) for step in steps]
    space = fields.get("space", "").lower()
    words = space.split("-") if "-" in space else [_word(letter) for letter in space]
    if "space" not in fields and all(len(step) == 2 for step in steps):
        words = ["left", "posterior"]  # what ITK means by a plane of its own
    if len(words) < 2 or any(word not in _NRRD_AXES for word in words[:3]):
        return None, spacing
    signs = [_NRRD_AXES[word] for word in words[:3]]
    if signs[:2] == [-1, -1] and np.array_equal(steps, np.eye(len(steps), len(steps[0]))):
        signs[0] = 1  # what dcm2niix writes where it was told neither orientation nor spacing: bottom row first
    directions = [[sign * part for sign, part in zip(signs, step, strict=False)] for step in steps]
    return [(*direction, 0.0, 0.0)[:3] for direction in directions], spacing


def _word(letter: str) -> str:
    return next((word for word in _NRRD_AXES if word[0] == letter), letter)


def _rows(matrix: str, axes: int) -> list[Direction] | None:
    """The rows of a square matrix, each where an axis runs, with the parts that a plane lacks as zeros."""
    numbers = [float(number) for number in matrix.split()]
    if not numbers:
        return None
    if len(numbers) != axes * axes:
        raise ValueError(f"{len(numbers)} numbers in the matrix of {axes} axes")
    return [(*numbers[axis * axes : (axis + 1) * axes], 0.0, 0.0)[:3] for axis in range(axes)]


def _yes(fields: Mapping[str, str], name: str, default: str) -> bool:
    value = fields.get(name, default).lower()
    if value not in ("true", "false", "1", "0"):
        raise ValueError(f"{name} {value[:16]!r}")
    return value in ("true", "1")


def _inflate(data: bytes, most: int) -> bytes:
    return inflated(data, 47, most)


def _gunzip(data: bytes, most: int) -> bytes:
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return unpacked(file, most)


def _bunzip(data: bytes, most: int) -> bytes:
    with bz2.BZ2File(BytesIO(data)) as file:
        return unpacked(file, most)


_ENCODINGS: Mapping[str, Callable[[bytes, int], bytes] | None] = {
    "raw": None,
    **dict.fromkeys(("gzip", "gz"), _gunzip),
    **dict.fromkeys(("bzip2", "bz2"), _bunzip),
}
