"""Label Studio's JSON and JSON-MIN exports: boxes, polygons, ellipses and brush strokes of regions, and choices."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from app.annotation_formats.documents import frame, is_point, number
from app.annotation_formats.label_studio_brush import decode_brush
from app.annotation_formats.label_studio_tasks import Annotation, labels_of, read_tasks
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Frame,
    Mark,
    Polygons,
    Raster,
    Rectangle,
    marked_names,
)
from app.annotation_formats.rotation import ellipse_polygon, turned_rectangle
from app.label_words import WORDS

_SHAPES = ("rectangle", "polygon", "brush", "ellipse")


def read_label_studio(path: Path) -> AnnotationFile:
    """Read an export; predictions and cancelled annotations are not annotations.

    Every label that the file has on a region counts as asked for in every annotated image. A choice that is not taken
    is absent, if another one of the same question is taken.

    Raises:
        AnnotationError: It cannot be read or is not Label Studio's; a task has no image or several; coordinates are
            missing or not finite; the image was turned while it was annotated; or brush strokes are damaged.
    """
    counts: Counter[str] = Counter()
    annotations = read_tasks(path, counts)
    options = _options(annotations)
    images = [_image(annotation, options, counts) for annotation in annotations]
    return AnnotationFile(path, "Label Studio", images, tuple(marked_names(images)), counts)


def _options(annotations: list[Annotation]) -> dict[str, dict[str, None]]:
    """The choices of each question that anybody took."""
    options: dict[str, dict[str, None]] = defaultdict(dict)
    for annotation in annotations:
        for result in annotation.results:
            if isinstance(result, dict) and result.get("type") == "choices":
                options[str(result.get("from_name"))].update(dict.fromkeys(_choices(result, annotation.where)))
    return options


def _image(annotation: Annotation, options: dict[str, dict[str, None]], counts: Counter[str]) -> AnnotatedImage:
    where = annotation.where
    image = AnnotatedImage(annotation.image_names, where, reader=annotation.reader)
    given = [each for each in annotation.results if isinstance(each, dict) and each.get("id") is not None]
    regions = {str(each["id"]) for each in given if _shape_type(each)}
    labelled = {str(each["id"]) for each in given if _labels_in(each)}
    for index, result in enumerate(annotation.results):
        place = f"{where}, result[{index}]"
        if not isinstance(result, dict) or not isinstance(result.get("value", {}), dict):
            raise AnnotationError(f"{place}: must be an object with a 'value'.")
        kind, labels = str(result.get("type", "")), _labels_in(result)
        if kind == "choices" and str(result.get("id")) not in regions:
            image.labels |= _answers(str(result.get("from_name")), _choices(result, place), options)
        elif labels and _shape_type(result):
            image.frame = _frame(result, image.frame, place)
            shape = _shape(result, image.frame, place)
            image.marks += [Mark(label, shape, place) for label in labels]
        elif _shape_type(result):
            counts["left out: regions without a label"] += str(result.get("id")) not in labelled
        else:
            counts[f"left out: {kind or 'results without a type'}"] += 1
    return image


def _labels_in(result: dict[str, Any]) -> list[str]:
    value = result.get("value")
    pair = labels_of(value) if isinstance(value, dict) else ()
    return pair[1] if pair else []


def _shape_type(result: dict[str, Any]) -> str:
    """Rectangle, polygon, brush or ellipse, by the type or, of a ``labels`` result, by its value; empty if none."""
    kind, value = str(result.get("type", "")), result.get("value")
    if not isinstance(value, dict):
        return ""
    if kind == "labels":
        marks = {"points": "polygon", "rle": "brush", "radiusX": "ellipse", "height": "rectangle"}
        return next((shape for key, shape in marks.items() if key in value), "")
    return next((shape for shape in _SHAPES if kind in (shape, f"{shape}labels")), "")


def _choices(result: dict[str, Any], where: str) -> list[str]:
    value = result.get("value")
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not all(isinstance(each, str) for each in choices):
        raise AnnotationError(f"{where}: its 'choices' must be a list of texts.")
    return choices


def _answers(question: str, taken: list[str], options: dict[str, dict[str, None]]) -> dict[str, float]:
    """Labels by category: the question itself if it is answered by yes or no, else each of its choices."""
    if len(taken) == 1 and all(choice.casefold() in WORDS for choice in options[question]):
        return {question: WORDS[taken[0].casefold()]}
    return {choice: int(choice in taken) for choice in options[question]}


def _frame(result: dict[str, Any], before: Frame | None, where: str) -> Frame:
    size = frame(result.get("original_height"), result.get("original_width"), f"{where}, original size")
    if before is not None and size != before:
        raise AnnotationError(
            f"{where}: its image is {size[1]} x {size[0]} pixels here, {before[1]} x {before[0]} above."
        )
    if result.get("image_rotation"):
        raise AnnotationError(
            f"{where}: the image was turned by {result['image_rotation']} degrees while it was annotated, and the file "
            "does not say which way its coordinates lie. Turn the image file itself, and annotate it again."
        )
    return size


def _shape(result: dict[str, Any], size: Frame, where: str) -> Rectangle | Polygons | Raster:
    """The shape in pixels; the file has hundredths of the image's width and height."""
    value, kind = result["value"], _shape_type(result)
    across, down = size[1] / 100, size[0] / 100
    if kind == "brush":
        try:
            return Raster(decode_brush(value["rle"] if isinstance(value.get("rle"), list) else [], size))
        except ValueError as error:
            raise AnnotationError(f"{where}: damaged brush strokes: {error}.") from error
    if kind == "polygon":
        points = value.get("points")
        if not isinstance(points, list) or len(points) < 3 or not all(map(is_point, points)):
            raise AnnotationError(f"{where}: a polygon must have three 'points' or more of two numbers each.")
        return Polygons((tuple(each for x, y in points for each in (x * across, y * down)),))
    rotation = number(value.get("rotation", 0), "rotation", where)
    x, y = number(value.get("x"), "x", where) * across, number(value.get("y"), "y", where) * down
    names = ("radiusX", "radiusY") if kind == "ellipse" else ("width", "height")
    width, height = number(value.get(names[0]), names[0], where), number(value.get(names[1]), names[1], where)
    if kind == "ellipse":
        return ellipse_polygon((x, y), (width * across, height * down), rotation)
    # A rectangle is turned around its corner.
    return turned_rectangle(Rectangle(x, y, width * across, height * down), rotation, (x, y))
