"""NRRD headers (.nrrd, .nhdr), as written by teem, ITK and pynrrd."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from transforms.errors import RadiographError
from transforms.raw_volumes import RawVolume, bunzip, gunzip
from transforms.turning import Direction
from transforms.volumes import one_slice

MAGIC = b"NRRD000"

_TYPES = {
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
_AXES = {"left": 1, "right": -1, "posterior": 1, "anterior": -1, "superior": 1, "inferior": -1}
"""Sign of each direction in terms of left, back and head."""
_COLOURS = ("rgb-color", "rgba-color", "3-color", "4-color", "vector", "3-vector", "4-vector", "list")
_ENCODINGS: Mapping[str, Callable[[bytes, int], bytes] | None] = {
    "raw": None,
    **dict.fromkeys(("gzip", "gz"), gunzip),
    **dict.fromkeys(("bzip2", "bz2"), bunzip),
}


def nrrd(head: bytes, most_channels: int = 4) -> RawVolume:
    """Read a header; errors are those of `meta_image`."""
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
    if fields["type"].lower() not in _TYPES:
        raise RadiographError(f"has the type {fields['type'][:32]!r}, which is none of real numbers")
    kind = _TYPES[fields["type"].lower()]
    if kind[1] != "1" and fields["endian"].lower() not in ("little", "big"):
        raise ValueError(f"endian {fields['endian'][:16]!r}")
    lengths = [int(length) for length in fields["sizes"].split()]
    if len(lengths) != int(fields["dimension"]):
        raise ValueError(f"{len(lengths)} lengths of {fields['dimension']} axes")
    has_colours = (fields.get("kinds", "").lower().split() or [""])[0] in _COLOURS
    axes = slice(1 if has_colours else 0, None)
    steps, spacing = _directions_and_spacing(fields, axes)
    skip = int(fields.get("byte skip", fields.get("byteskip", "0")))
    if skip and _ENCODINGS[encoding] is not None:
        raise RadiographError("skips bytes of its compressed pixels; convert it, e.g. to one of gzip without byte skip")
    return RawVolume(
        one_slice(lengths[axes], steps, spacing, lengths[0] if has_colours else 1, most_channels),
        np.dtype((">" if fields.get("endian", "").lower() == "big" else "<") + kind),
        file,
        skip if file or skip < 0 or found is None else found.end() + skip,
        _ENCODINGS[encoding],
    )


def nrrd_pairs(head: bytes) -> dict[str, str]:
    r"""The key/value pairs of a header (``key:=value``), in which programs keep what NRRD has no field for.

    Example:
        >>> nrrd_pairs(b"NRRD0004\ntype: uchar\nSegment0_Name:=Effusion\n\n")
        {'Segment0_Name': 'Effusion'}
    """
    text = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0].decode("utf-8", "replace")
    pairs = (line.partition(":=") for line in text.splitlines()[1:] if not line.startswith("#"))
    return {key.strip(): value.strip() for key, mark, value in pairs if mark}


def _directions_and_spacing(fields: Mapping[str, str], axes: slice) -> tuple[list[Direction] | None, list[float]]:
    """Directions of the axes, or ``None`` if unknown, and their spacing."""
    vectors = re.findall(r"none|\([^()]*\)", fields.get("space directions", ""))[axes]
    steps = [[float(part) for part in re.findall(r"[^,\s()]+", vector)] for vector in vectors if vector != "none"]
    if not steps or len(steps) < len(vectors):
        return None, [float(size) for size in fields.get("spacings", "").split()[axes]]
    spacing = [math.hypot(*step) for step in steps]
    space = fields.get("space", "").lower()
    words = space.split("-") if "-" in space else [_word(letter) for letter in space]
    if "space" not in fields and all(len(step) == 2 for step in steps):
        words = ["left", "posterior"]  # ITK's convention for planes
    if len(words) < 2 or any(word not in _AXES for word in words[:3]):
        return None, spacing
    signs = [_AXES[word] for word in words[:3]]
    if signs[:2] == [-1, -1] and np.array_equal(steps, np.eye(len(steps), len(steps[0]))):
        signs[0] = 1  # written by dcm2niix if orientation and spacing are unknown, with the bottom row first
    directions = [[sign * part for sign, part in zip(signs, step, strict=False)] for step in steps]
    return [(*direction, 0.0, 0.0)[:3] for direction in directions], spacing


def _word(letter: str) -> str:
    return next((word for word in _AXES if word[0] == letter), letter)
