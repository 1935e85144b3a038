"""The tasks of Label Studio's JSON and JSON-MIN exports: for each annotation its data, results and reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from app.annotation_formats.documents import read_json
from app.annotation_formats.marks import AnnotationError
from app.files.image_names import IMAGE_SUFFIXES

_MIN_KEYS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})
_LONGEST_CHOICE = 60
"""Characters; JSON-MIN does not tell choices from texts that somebody wrote, such as reports."""


class Annotation(NamedTuple):
    """One person's results for one task."""

    data: dict[str, Any]
    results: list[dict[str, Any]]
    reader: str
    where: str
    file: str = ""

    @property
    def image_names(self) -> tuple[str, ...]:
        """The names that the image may have: its path, and that of the upload.

        Raises:
            AnnotationError: The data name no image, or several.
        """
        values = {key: each for key, each in self.data.items() if isinstance(each, str) and _is_image(each)}
        texts = set(values.values())
        if len(texts) != 1:
            keys = ", ".join(map(repr, values)) or f"none of {', '.join(map(repr, self.data)) or 'no entries'}"
            raise AnnotationError(f"{self.where}: its 'data' must name one image; found: {keys}.")
        path = _path(texts.pop())
        return (path, self.file) if self.file else (path,)


def looks_like_label_studio(content: object) -> bool:
    """Whether a value of JSON is a list of Label Studio's tasks, or of annotations as JSON-MIN has them."""
    if not isinstance(content, list) or not content or not isinstance(content[0], dict):
        return False
    keys = content[0].keys()
    return {"data", "annotations"} <= keys or {"data", "predictions"} <= keys or {"annotation_id", "annotator"} <= keys


def read_tasks(path: Path, counts: Counter[str]) -> list[Annotation]:
    """The annotations of an export, without predictions and cancelled ones, which are counted.

    Raises:
        AnnotationError: It cannot be read, or is not Label Studio's.
    """
    content = read_json(path)
    if not looks_like_label_studio(content):
        raise AnnotationError(f"{path}: not Label Studio's JSON, a list of tasks with 'data' and 'annotations'.")
    return _without_addresses(list(_annotations(content, path, counts)))


def labels_of(value: dict[str, Any]) -> tuple[str, list[str]] | tuple[()]:
    """The type (``rectanglelabels``, ``labels``, ...) and the labels of a region's value."""
    for key, labels in value.items():
        if key.endswith("labels") and isinstance(labels, list) and all(isinstance(each, str) for each in labels):
            return key, labels
    return ()


def _annotations(tasks: list[Any], path: Path, counts: Counter[str]) -> Iterator[Annotation]:
    for index, task in enumerate(tasks):
        where = f"{path}, task {task.get('id', index) if isinstance(task, dict) else index}"
        if not isinstance(task, dict):
            raise AnnotationError(f"{where}: must be an object, not {str(task)[:40]!r}.")
        if "data" not in task:
            yield _minimal(task, where, counts)
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
            yield Annotation(
                task["data"], each["result"], _reader(each.get("completed_by")), where, str(task.get("file_upload", ""))
            )


def _minimal(record: dict[str, Any], where: str, counts: Counter[str]) -> Annotation:
    """A record of JSON-MIN, which has the data and the results of one annotation side by side, without their types."""
    keys = list(record)
    first = keys.index("id") if "id" in keys else 0  # the data come before the number of the task, the results after it
    data = {key: record[key] for index, key in enumerate(keys) if index < first or key == "image"}
    results: list[dict[str, Any]] = []
    for key in (key for key in keys if key not in data and key not in _MIN_KEYS):
        value = record[key]
        if isinstance(value, str) and len(value) > _LONGEST_CHOICE:
            counts["left out: texts"] += 1
        elif isinstance(value, str):
            results.append({"type": "choices", "from_name": key, "value": {"choices": [value]}})
        elif isinstance(value, dict):
            results.append({"type": "choices", "from_name": key, "value": value})
        for each in value if isinstance(value, list) else ():
            labels = labels_of(each) if isinstance(each, dict) else ()
            sizes = {name: each.get(name) for name in ("original_width", "original_height")} if labels else {}
            results.append({"type": labels[0] if labels else key, "from_name": key, "value": each} | sizes)
    return Annotation(data, results, _reader(record.get("annotator")), where)


def _reader(person: object) -> str:
    """The number of whoever annotated, or an address."""
    known = person.get("id", person.get("email")) if isinstance(person, dict) else person
    return str(known) if isinstance(known, int | str) else ""


def _without_addresses(annotations: list[Annotation]) -> list[Annotation]:
    """Annotations whose readers are numbers: each address is called person1, person2, ..., in the order of the file."""
    addresses = dict.fromkeys(each.reader for each in annotations if each.reader and not each.reader.isdecimal())
    names = {address: f"person{index}" for index, address in enumerate(addresses, start=1)}
    return [each._replace(reader=names.get(each.reader, each.reader)) for each in annotations]


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
