"""What an annotation file says, whatever its format: marks and labels of images, under the names that the file uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from app.datalist.item import RunLengths
from app.files.image_names import last_parts
from transforms.turning import AS_STORED, Turn

Frame = tuple[int, int]
"""(height, width) of the image in whose pixels marks are given."""
SHARES: Frame = (1, 1)
"""The frame of marks that are given as shares of the image's height and width."""


class AnnotationError(ValueError):
    """An annotation file is wrong; the message names the file, the place in it, and what is allowed."""


class Rectangle(NamedTuple):
    """A box with upright sides; ``x``, ``y`` is its top left corner."""

    x: float
    y: float
    width: float
    height: float


class Polygons(NamedTuple):
    """One or more polygons, each as x, y, x, y, ... of its corners; together they outline one region."""

    rings: tuple[tuple[float, ...], ...]


class Raster(NamedTuple):
    """A mask.

    Attributes:
        mask: Its pixels as they are shown.
        turn: From the pixels as the file stores them to those that are shown.
        offset: (row, column) of its first pixel in the whole image, as stored, if it is cropped; None if it is whole.
        is_anatomical: Whether it is shown head up by how its axes lie in the patient; a DICOM radiograph is shown as it
            is stored, which may differ.
    """

    mask: RunLengths
    turn: Turn = AS_STORED
    offset: tuple[int, int] | None = None
    is_anatomical: bool = False


class Mark(NamedTuple):
    """One region that somebody drew.

    Attributes:
        name: The category's name in the file.
        shape: In pixels of the image's ``frame``.
        where: File and place in it, for messages.
    """

    name: str
    shape: Rectangle | Polygons | Raster
    where: str


@dataclass(slots=True)
class AnnotatedImage:
    """What one person, or nobody who is named, said about one image.

    Attributes:
        names: Names or paths that the image may have, the likeliest first, with forward slashes.
        where: File and place in it, for messages.
        frame: (height, width) in whose pixels the marks are; ``SHARES`` if they are shares of the image's sides; None
            if they are in pixels of the radiograph as it is shown.
        marks: The regions.
        labels: By category: 1 present, 0 absent, -1 uncertain, without a location.
        asked: Categories that were to be located in this image, besides those of the file.
        reader: Who it was.
        instance: The image's DICOM SOP Instance UID, which finds it before its names do.
    """

    names: tuple[str, ...]
    where: str
    frame: Frame | None = None
    marks: list[Mark] = field(default_factory=list)
    labels: dict[str, float] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    reader: str = ""
    instance: str = ""


@dataclass(slots=True)
class AnnotationFile:
    """What one file, or a folder of files of one format, says.

    Attributes:
        path: The file or folder.
        format: The format's name for people.
        images: The annotated images, once for each reader.
        asked: Categories that were to be located in every image; without a mark they are nowhere in it.
        counts: What was left out, or taken though it is unusual, by reason.
    """

    path: Path
    format: str
    images: list[AnnotatedImage] = field(default_factory=list)
    asked: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)


def marked_names(images: Iterable[AnnotatedImage]) -> dict[str, None]:
    """The categories of all marks, each once, in the order of the images."""
    return dict.fromkeys(mark.name for image in images for mark in image.marks)


def names_beside(file: Path, folder: Path, name: str) -> tuple[str, ...]:
    """Names of the image of a file that says what it is called and was once saved beside it.

    Images and their files are often renamed together; the name of the file is then what they share.

    Args:
        file: The annotation file.
        folder: In which it is, at any depth.
        name: The image's name in it, perhaps with folders of another computer; may be empty.

    Example:
        >>> names_beside(Path("a/w/7.json"), Path("a"), "D:/scans/7.png")
        ('w/7.png', 'D:/scans/7.png', '7')
    """
    beside = [(file.relative_to(folder).parent / last_parts(name, 1)).as_posix(), name] if name else []
    return tuple(dict.fromkeys([*beside, file.stem]))
