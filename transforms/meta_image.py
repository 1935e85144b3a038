"""MetaImage headers (.mha, .mhd), as written by MetaIO and ITK."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from transforms.errors import RadiographError
from transforms.raw_volumes import RawVolume, inflate
from transforms.turning import Direction
from transforms.volumes import one_slice

_TYPES = {
    "CHAR": "i1",
    "UCHAR": "u1",
    "SHORT": "i2",
    "USHORT": "u2",
    "INT": "i4",
    "UINT": "u4",
    "LONG": "i4",  # in MetaIO on every system
    "ULONG": "u4",
    "LONG_LONG": "i8",
    "ULONG_LONG": "u8",
    "FLOAT": "f4",
    "DOUBLE": "f8",
}


def looks_like_meta_image(head: bytes) -> bool:
    """Whether a file begins with a MetaImage header, whose fields have no fixed order."""
    return bool(re.search(rb"(?m)^[ \t]*NDims[ \t]*=", head[:8192]))


def meta_image(head: bytes) -> RawVolume:
    """Read a header.

    Raises:
        RadiographError: It is not one slice, or stored in a way that is not supported.
        KeyError: A field is missing.
        ValueError: A field is damaged.
    """
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
    if fields["ElementType"].removeprefix("MET_") not in _TYPES:
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
        np.dtype(order + _TYPES[fields["ElementType"].removeprefix("MET_")]),
        "" if is_local else file,
        found.end() if is_local else skip,
        inflate if _yes(fields, "CompressedData", "False") else None,
    )


def _rows(matrix: str, axes: int) -> list[Direction] | None:
    """The rows of a square matrix, which are directions of axes, padded with zeros to three components."""
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
