"""Label Studio's JSON and JSON-MIN exports: boxes, polygons, ellipses and brush strokes of regions, and choices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from app.annotation_formats.documents import frame, is_number, number, read_json
from app.annotation_formats.label_studio_brush import decode_brush
from app.annotation_formats.marks import (
    AnnotatedImage,
    AnnotationError,
    AnnotationFile,
    Frame,
    Mark,
    Polygons,
    Raster,
    Rectangle,
)
from app.annotation_formats.rotation import ellipse_polygon, turned_rectangle
from app.files.image_names import IMAGE_SUFFIXES

_MIN_KEYS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
_SHAPES = ("rectangle", "polygon", "brush", "ellipse")
YES, NO = ("yes", "true", "present", "positive"), ("no", "false", "absent", "negative")


class _Annotation(NamedTuple):
    """One person's results for one task."""

    data: dict[str, Any]
    results: list[dict[str, Any]]
    reader: str
    where: str
    file: str = ""


def looks_like_label_studio(content: object) -> bool:
    """Whether a value of JSON is a list of Label Studio's tasks, or of annotations as JSON-MIN has them."""
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    keys = content[0].keys()
    return {"data", "annotations"} <= keys or {"data", "predictions"} <= keys or {"annotation_id", "annotator"} <= keys


def read_label_studio(path: Path) -> AnnotationFile:
    """Read an export; predictions and cancelled annotations are not annotations.

    Every label that the file has on a region counts as asked for in every annotated image. A choice that is not taken
    is absent, if another one of the same question is taken.

    Raises:
        AnnotationError: It cannot be read or is not Label Studio's; a task has no image or several; coordinates are
            missing or not finite; the image was turned while it was annotated; or brush strokes are damaged.
    """
    content = read_json(path)
    if not looks_like_label_studio(content):
        raise AnnotationError(f"{path}: not Label Studio's JSON, a list of tasks with 'data' and 'annotations'.")
    counts: Counter[str] = Counter()
    annotations = list(_annotations(content, path, counts))
    options = _options(annotations)
    images = [_image(annotation, options, counts) for annotation in annotations]
    asked = dict.fromkeys(mark.name for image in images for mark in image.marks)
    return AnnotationFile(path, "Label Studio", images, tuple(asked), counts)


def _annotations(tasks: list[Any], path: Path, counts: Counter[str]) -> Iterator[_Annotation]:
    for index, task in enumerate(tasks):
        where = f"{path}, task {task.get('id', index) if isinstance(task, dict) else index}"
        if not isinstance(task, dict):
            raise AnnotationError(f"{where}: must be an object, not {str(task)[:40]!r}.")
        if "data" not in task:
            yield _minimal(task, where)
            continue
        annotations = task.get("annotations")
        if not isinstance(task["data"], dict) or not isinstance(annotations, list):
            raise AnnotationError(f"{where}: must have 'data', an object, and 'annotations', a list.")
        valid = [each for each in annotations if isinstance(each, dict) and isinstance(each.get("result"), list)]
        if len(valid) < len(annotations):
            raise AnnotationError(f"{where}: each of its annotations must be an object with a list 'result'.")
        predictions = task.get("predictions")
        counts["left out: predictions of a model"] += len(predictions) if isinstance(predictions, list) else 0
        taken = [each for each in valid if not each.get("was_cancelled")]
        counts["left out: cancelled or skipped annotations"] += len(valid) - len(taken)
        counts["left out: tasks that nobody annotated"] += not taken
        for each in taken:
            yield _Annotation(
                task["data"], each["result"], _reader(each.get("completed_by")), where, str(task.get("file_upload", ""))
            )


def _minimal(record: dict[str, Any], where: str) -> _Annotation:
    """A record of JSON-MIN, which has the data and the results of one annotation side by side, without their types."""
    keys = list(record)
    first = keys.index("id") if "id" in keys else 0  # the data come before the number of the task, the results after it
    data = {key: record[key] for key in keys if keys.index(key) < first or key == "image"}
    results: list[dict[str, Any]] = []
    for key in (key for key in keys if key not in data and key not in _MIN_KEYS):
        value = record[key]
        if isinstance(value, str):
            results.append({"type": "choices", "from_name": key, "value": {"choices": [value]}})
        elif isinstance(value, dict):
            results.append({"type": "choices", "from_name": key, "value": value})
        for each in value if isinstance(value, list) else ():
            labels = _labels_of(each) if isinstance(each, dict) else ()
            sizes = {name: each.get(name) for name in ("original_width", "original_height")} if labels else {}
            results.append({"type": labels[0] if labels else key, "from_name": key, "value": each} | sizes)
    return _Annotation(data, results, _reader(record.get("annotator")), where)


def _reader(person: object) -> str:
    """The number of whoever annotated; never a name or an address."""
    number_of = person.get("id") if isinstance(person, dict) else person
    return str(number_of) if isinstance(number_of, int) else ""


def _options(annotations: list[_Annotation]) -> dict[str, dict[str, None]]:
    """The choices of each question that anybody took."""
    options: dict[str, dict[str, None]] = defaultdict(dict)
    for annotation in annotations:
        for result in annotation.results:
            if isinstance(result, dict) and result.get("type") == "choices":
                options[str(result.get("from_name"))].update(dict.fromkeys(_choices(result, annotation.where)))
    return options


def _image(annotation: _Annotation, options: dict[str, dict[str, None]], counts: Counter[str]) -> AnnotatedImage:
    where = annotation.where
    image = AnnotatedImage(_names(annotation), where, reader=annotation.reader)
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


def _labels_of(value: dict[str, Any]) -> tuple[str, list[str]] | tuple[()]:
    """The type (``rectanglelabels``, ``labels``, ...) and the labels of a region's value."""
    for key, labels in value.items():
        if key.endswith("labels") and isinstance(labels, list) and all(isinstance(each, str) for each in labels):
            return key, labels
    return ()


def _labels_in(result: dict[str, Any]) -> list[str]:
    value = result.get("value")
    pair = _labels_of(value) if isinstance(value, dict) else ()
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
    words = {choice.casefold() for choice in options[question]}
    if words <= {*YES, *NO, "uncertain"} and len(taken) == 1:
        answer = taken[0].casefold()
        return {question: 1 if answer in YES else 0 if answer in NO else -1}
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
        if not isinstance(points, list) or len(points) < 3 or not all(map(_is_point, points)):
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


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 2 and all(map(is_number, point))


def _names(annotation: _Annotation) -> tuple[str, ...]:
    """The names that a task's image may have: its path, and that of the upload."""
    values = {key: each for key, each in annotation.data.items() if isinstance(each, str) and _is_image(each)}
    texts = set(values.values())
    if len(texts) != 1:
        keys = ", ".join(map(repr, values)) or f"none of {', '.join(map(repr, annotation.data)) or 'no entries'}"
        raise AnnotationError(f"{annotation.where}: its 'data' must name one image; found: {keys}.")
    path = _path(texts.pop())
    return (path, annotation.file) if annotation.file else (path,)


def _path(text: str) -> str:
    """The path of a file in an address: of ``/data/local-files/?d=wards/1.png`` it is ``wards/1.png``."""
    if "://" not in text and not text.startswith("/data/"):
        return text.replace("\\", "/")
    parts = urlsplit(text)
    return parse_qs(parts.query).get("d", [unquote(parts.path)])[0].replace("\\", "/").lstrip("/")


def _is_image(text: str) -> bool:
    return text.startswith(("/data/", "http://", "https://", "s3://", "gs://", "azure-blob://")) or _path(
        text
    ).lower().endswith(IMAGE_SUFFIXES)
