"""YOLO: one text file for each image, with boxes or polygons as shares of its width and height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from app.annotation_formats.documents import read_json, read_text
from app.annotation_formats.marks import (
    SHARES,
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Mark,
    Polygons,
    Rectangle,
    marked_names,
)
from evaluation.cells import number

NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "labels.txt", "notes.json")
"""Files that give the categories' names, the likeliest first."""


def read_yolo(path: Path, files: Sequence[Path], names_file: Path | None) -> AnnotationFile:
    """Read the text files of a folder; every category was asked for in every image that has a file.

    An empty file says that somebody looked and saw nothing. Without a file of names, categories are called by their
    numbers.

    Args:
        path: The folder, for messages.
        files: Lines of ``category x y width height`` (the box's centre) or ``category x y x y ...`` (a polygon).
        names_file: One of ``NAME_FILES``.

    Raises:
        AnnotationError: A file cannot be read, a line is neither, or a category has no name.
    """
    names = {} if names_file is None else category_names(names_file)
    images = []
    for file in files:
        image = AnnotatedImage((file.relative_to(path).with_suffix("").as_posix(), file.stem), str(file), SHARES)
        for index, line in enumerate(read_text(file).splitlines(), start=1):
            if line.strip():
                image.marks.append(_mark(line.split(), names, names_file, f"{file}, line {index}"))
        images.append(image)
    asked = tuple(names.values()) or tuple(marked_names(images))
    return AnnotationFile(path, "YOLO", images, asked)


def looks_like_yolo(text: str) -> bool:
    """Whether each line that is not blank is a category's number and four other numbers or more."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return all(len(words) >= 5 and words[0].isdecimal() and all(map(_is_number, words)) for words in lines)


def category_names(file: Path) -> dict[int, str]:
    """Names by number, from a YAML file with ``names``, a list of one name a line, or Label Studio's ``notes.json``.

    Raises:
        AnnotationError: It cannot be read, or has no such names; or it says that the files hold key points.
    """
    if file.suffix in (".yaml", ".yml"):
        return _yaml_names(file)
    if file.suffix == ".json":
        content = read_json(file)
        entries = content.get("categories") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) and "name" in each for each in entries):
            raise AnnotationError(f"{file}: must hold 'categories', a list of objects with 'id' and 'name'.")
        return {int(each.get("id", index)): str(each["name"]) for index, each in enumerate(entries)}
    lines = [line.strip() for line in read_text(file).splitlines()]
    return {index: line for index, line in enumerate(lines) if line}


def _yaml_names(file: Path) -> dict[int, str]:
    import yaml

    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError) as error:
        raise AnnotationError(f"{file}: not a YAML file ({str(error).splitlines()[0]}).") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(content, dict) and "kpt_shape" in content:
        raise AnnotationError(f"{file}: describes key points, which say nothing of a finding's extent.")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or not all(type(number) is int for number in names):
        raise AnnotationError(f"{file}: must hold 'names', a list, or an object of numbers and names.")
    return {number: str(name) for number, name in names.items()}


def _mark(words: list[str], names: dict[int, str], names_file: Path | None, where: str) -> Mark:
    if not words[0].isdecimal() or not all(map(_is_number, words)):
        raise AnnotationError(
            f"{where}: must be a category's number and shares of the image, not {' '.join(words)[:60]!r}."
        )
    if len(words) == 6:
        raise AnnotationError(f"{where}: has six numbers, like a network's box with its score, which is no annotation.")
    values = [float(word) for word in words[1:]]
    if len(values) < 4 or len(values) % 2:
        raise AnnotationError(f"{where}: must have four numbers of a box, or pairs of a polygon, not {len(values)}.")
    category = int(words[0])
    if names and category not in names:
        raise AnnotationError(f"{where}: category {category} has no name in {names_file}.")
    name = names.get(category, str(category))
    if len(values) > 4:
        return Mark(name, Polygons((tuple(values),)), where)
    x, y, width, height = values
    return Mark(name, Rectangle(x - width / 2, y - height / 2, width, height), where)


def _is_number(word: str) -> bool:
    return math.isfinite(number(word))
