"""Reading of JSON and XML that nobody vouches for, and of the numbers in them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from app.annotation_formats.marks import AnnotationError, Frame
from app.files.strict_json import strict_loads
from transforms.errors import RadiographError
from transforms.sizes import checked_size

LARGEST = 2**31
"""Bytes of the largest annotation file that is read."""
_DEEPEST = 100


def read_bytes(path: Path) -> bytes:
    """The content of an annotation file.

    Raises:
        AnnotationError: It cannot be read, is empty, or is implausibly large.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise AnnotationError(f"{path}: has {size} bytes, more than the {LARGEST} of the largest that is read.")
        content = path.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror}).") from error
    if not content.strip(b"\0 \t\r\n"):
        raise AnnotationError(f"{path}: is empty; export it again.")
    return content


def read_text(path: Path) -> str:
    """The text of a file, which may be empty.

    Raises:
        AnnotationError: It cannot be read, or is not text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: not text in UTF-8; save it so.") from error


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """The value in a JSON file.

    Raises:
        AnnotationError: It cannot be read, is cut short or damaged, or gives a key twice.
    """
    content = read_bytes(path)
    try:
        return strict_loads(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise AnnotationError(f"{path}: not a JSON file ({error}); if it was cut short, export it again.") from error


def read_xml(path: Path) -> Element:
    """The root of an XML file, which may not declare a document type: entities could grow without limit.

    Raises:
        AnnotationError: It cannot be read, is cut short or damaged, or declares a document type.
    """
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise AnnotationError(f"{path}: its elements are nested more than {_DEEPEST} deep, as no annotations are.")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise AnnotationError(f"{path}: declares a document type (<!DOCTYPE>), which is not read; remove it.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path}: not an XML file ({error}); if it was cut short, export it again.") from error
    return builder.close()


def is_number(value: object) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_point(value: object) -> bool:
    """Whether a value of JSON is a list of two finite numbers."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def number(value: object, name: str, where: str) -> float:
    """The finite number in a value of JSON or in a text of XML.

    Raises:
        AnnotationError: It is missing, no number, or not finite.

    Example:
        >>> number("2.5", "width", "boxes.xml")
        2.5
    """
    try:
        result = float(value) if isinstance(value, str) else value
    except ValueError:
        result = None
    if not is_number(result):
        raise AnnotationError(f"{where}: {name!r} must be a number, not {_short(value)}.")
    return float(result)  # type: ignore[arg-type]  # `is_number` says so


def frame(height: object, width: object, where: str) -> Frame:
    """The size of an image from two values.

    Raises:
        AnnotationError: One is missing or no whole number of pixels, or the image is implausibly large.

    Example:
        >>> frame("20", 30, "boxes.xml")
        (20, 30)
    """
    sides = number(height, "height", where), number(width, "width", where)
    if any(side < 1 or side != int(side) for side in sides):
        raise AnnotationError(
            f"{where}: height and width must be whole numbers of pixels, not {height!r} and {width!r}."
        )
    try:
        return checked_size((int(sides[0]), int(sides[1])))
    except RadiographError as error:
        raise AnnotationError(f"{where}: its image {error}.") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
