"""One slice in a format that SimpleITK reads and no other reader here: GIPL, JPEG 2000, MRC or VTK.

SimpleITK shows a file that was cut short as if it were whole, so its length is checked here. A slice without an
orientation is displayed as stored.
"""

from __future__ import annotations

import locale
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.errors import RadiographError
from transforms.volumes import Slice, check_surplus, one_slice

Array = NDArray[Any]

JPEG_2000 = "JPEG 2000"
_SUFFIXES = (".jp2", ".j2k", ".j2c", ".jpt")
"""Names by which SimpleITK tells the forms of JPEG 2000 from each other."""
_END = b"\xff\xd9"
"""End of a JPEG 2000 codestream (ITU-T T.800 A.4.4)."""
_VTK_DATA = re.compile(rb"\n(?:SCALARS[^\n]*\n\s*LOOKUP_TABLE|SCALARS|COLOR_SCALARS|VECTORS)[^\n]*\n")


def _vtk_start(content: bytes) -> int:
    found = _VTK_DATA.search(content[:4096])
    if found is None or b"\nBINARY" not in content[: found.start()]:
        raise RadiographError("keeps its pixels as text, or holds no image; convert it, e.g. to .mha")
    return found.end()


def _mrc_start(content: bytes) -> int:
    # The machine stamp at byte 212 gives the byte order, the number at byte 92 the length of the extended header.
    order = ">" if content[212:213] == b"\x11" else "<"
    return 1024 + int(struct.unpack_from(f"{order}i", content.ljust(96, b"\0"), 92)[0])


_RAW: dict[str, tuple[str, Callable[[bytes], int]]] = {
    "GIPL": ("GiplImageIO", lambda content: 256),
    "MRC": ("MRCImageIO", _mrc_start),
    "VTK": ("VTKImageIO", _vtk_start),
}
"""Formats with raw pixels: their reader in ITK, and where the pixels begin."""
KINDS = frozenset({*_RAW, JPEG_2000})
"""What `transforms.formats.format_of` calls these formats."""


def simpleitk_slice(file: Path, kind: str) -> Slice:
    """The slice of a file, from its header.

    Args:
        file: A regular file.
        kind: One of ``KINDS``.

    Raises:
        RadiographError: It is damaged, not one slice, or JPEG 2000 under another name than .jp2 or .j2k.
    """
    return _described(_reader(file, kind))


def simpleitk_pixels(file: Path, kind: str, content: bytes) -> tuple[Array, Slice]:
    """Pixels of a file as displayed, (H, W) or (H, W, C) red, green, blue, and its slice.

    Args:
        file: A regular file.
        kind: One of ``KINDS``.
        content: Its bytes.

    Raises:
        RadiographError: As for `simpleitk_slice`; or it is cut short, or holds no real numbers.
    """
    import SimpleITK

    reader = _reader(file, kind)
    plane = _described(reader)
    _require_whole(content, kind, plane, SimpleITK.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent())
    values = SimpleITK.GetArrayFromImage(_tried(reader.Execute))
    if values.dtype.kind not in "buif":
        raise RadiographError(f"holds values of type {values.dtype}; allowed are real numbers")
    return plane.shown(values), plane


def _reader(file: Path, kind: str) -> Any:  # noqa: ANN401 - SimpleITK has no annotations
    """A reader that has read the header."""
    import SimpleITK

    if kind == JPEG_2000 and file.suffix.lower() not in _SUFFIXES:
        raise RadiographError("is JPEG 2000 under another name; call it .jp2, or .j2k if it is a bare codestream")
    SimpleITK.ProcessObject_SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    if kind in _RAW:
        reader.SetImageIO(_RAW[kind][0])
    reader.SetFileName(str(file))
    _tried(reader.ReadImageInformation)
    return reader


def _described(reader: Any) -> Slice:  # noqa: ANN401
    lengths = reader.GetSize()
    directions = np.reshape(reader.GetDirection(), (len(lengths), len(lengths)))
    is_unknown = np.array_equal(directions, np.eye(len(lengths)))
    steps = None if is_unknown else [tuple(map(float, [*step, 0.0][:3])) for step in directions.T]
    return one_slice(lengths, steps, reader.GetSpacing(), reader.GetNumberOfComponents())


def _require_whole(content: bytes, kind: str, plane: Slice, itemsize: int) -> None:
    if kind == JPEG_2000:
        if not content.rstrip(b"\0\r\n").endswith(_END):
            raise RadiographError("is truncated: its JPEG 2000 stream has no end; copy it again from its source")
        return
    end = _RAW[kind][1](content) + plane.numbers * itemsize
    if len(content) < end:
        raise RadiographError(f"is truncated: {len(content)} bytes where its size needs {end}")
    check_surplus(content, end)


def _tried(read: Callable[[], Any]) -> Any:  # noqa: ANN401
    # ITK's reader of VTK leaves the whole process in the locale C, in which Python opens text files as ASCII.
    before = locale.setlocale(locale.LC_ALL)
    try:
        return read()
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise RadiographError(f"is damaged: SimpleITK cannot read it ({reason[:100]})") from error
    finally:
        locale.setlocale(locale.LC_ALL, before)
