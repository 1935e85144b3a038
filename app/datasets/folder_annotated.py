"""Annotations of a user's own images become labels, boxes and masks of a datalist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.annotation_formats.drawing import NamedMark, Target, draw
from app.annotation_formats.marks import AnnotationError, Raster
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datasets.folder_annotations import Annotations, Said
from app.files.image_names import image_sizes
from app.findings import ABSENT, NOT_SAID, PRESENT

Drawn = tuple[tuple[Box, ...], dict[str, RunLengths]]
"""Boxes, and masks by finding."""


def with_annotations(datalist: Datalist, stored: Mapping[str, Path], annotations: Annotations) -> Datalist:
    """A datalist with the labels, boxes and masks of annotations, in pixels of the radiographs as they are shown.

    A finding that was asked for and has no location is nowhere, unless its label is present: then its location counts
    as not asked for. A label that nobody gave becomes present with a location and absent without one; a label of absent
    stays beside a location, and is counted. A label of the datalist is never replaced.

    Args:
        datalist: Items under any names.
        stored: The file of each item's ``image``.
        annotations: Of these files.

    Raises:
        AnnotationError: A mark does not fit its radiograph, or readers contradict each other.
        ValueError: A radiograph's header cannot be read.
    """
    findings = (*datalist.findings, *(each for each in annotations.findings if each not in datalist.findings))
    paths = [path for path in stored.values() if path in annotations.images]
    targets = _targets(annotations, paths)
    are_several = any(len(_readers(annotations.images[path])) > 1 for path in paths)
    counts = Counter(annotations.counts)

    def annotated(item: Item) -> Item:
        item = replace(item, label=(*item.label, *[NOT_SAID] * (len(findings) - len(item.label))))
        path = stored[item.image]
        if path not in targets:
            return item
        said = annotations.images[path]
        if are_several and _readers(said):
            item.attributes = {**item.attributes, "readers": " ".join(sorted(_readers(said)))}
        drawn = _drawn(item.image, said, targets[path], are_several, counts)
        return _merged(item, findings, said, drawn, counts)

    result = replace(datalist, findings=findings).mapped(annotated)
    counts["left out: annotated images without a row in the table"] = len(annotations.images) - len(paths)
    return result.with_counts({reason: count for reason, count in counts.items() if count})


def _targets(annotations: Annotations, paths: Sequence[Path]) -> dict[Path, Target]:
    """The radiographs that are drawn on, with how those lie in the patient that have masks which say so."""
    from transforms.dicom_reference import references

    sizes = image_sizes(paths)
    anatomical = [path for path in paths if any(map(_is_anatomical, annotations.images[path]))]
    turns = {path: each.turn for path, each in zip(anatomical, references(anatomical), strict=True)}
    targets = {}
    for path, size in sizes.items():
        if isinstance(size, ValueError):
            raise size
        targets[path] = Target(size, turns[path]) if path in turns else Target(size)
    return targets


def _is_anatomical(said: Said) -> bool:
    return any(isinstance(mark.shape, Raster) and mark.shape.is_anatomical for mark in said.image.marks)


def _readers(said: Sequence[Said]) -> set[str]:
    return {each.image.reader for each in said} - {""}


def _drawn(name: str, said: Sequence[Said], target: Target, are_several: bool, counts: Counter[str]) -> Drawn:
    marks = [
        NamedMark(meanings[mark.name], mark, image.frame, image.reader if are_several else "")
        for image, meanings, _ in said
        for mark in image.marks
        if mark.name in meanings
    ]
    try:
        return draw(marks, target, counts)
    except AnnotationError as error:
        raise AnnotationError(f"{name}: {error}") from error


def _labels(said: Sequence[Said]) -> dict[str, float]:
    """Labels of the whole image, by finding.

    Raises:
        AnnotationError: Two annotations of the image differ.
    """
    labels: dict[str, float] = {}
    for image, meanings, _ in said:
        of_image: dict[str, float] = {}
        for name, value in image.labels.items():
            if name in meanings:  # several categories may mean one finding, which any of them makes present
                of_image[meanings[name]] = max(value, of_image.get(meanings[name], value))
        for finding, value in of_image.items():
            if labels.setdefault(finding, value) != value:
                raise AnnotationError(
                    f"{image.where}: readers differ on {finding!r}. Choose one by --reader, or make one datalist for "
                    "each and use 'frugal combine'."
                )
    return labels


def _merged(item: Item, findings: Sequence[str], said: Sequence[Said], drawn: Drawn, counts: Counter[str]) -> Item:
    """An item with what annotations say besides; see `with_annotations`."""
    boxes, masks = drawn
    located = {*(box.finding for box in boxes), *masks}
    label = dict(zip(findings, item.label, strict=True))
    for finding, value in _labels(said).items():
        if label[finding] == NOT_SAID:
            label[finding] = value
        elif label[finding] != value:
            counts["annotations that differ from the table's label (the table's is kept)"] += 1
    annotated = list(item.annotated)
    for finding in dict.fromkeys([*_asked(said), *located]):
        if finding in located or label[finding] != PRESENT:
            annotated.append(finding)
        else:
            counts["labelled present, but not located (location not asked for)"] += 1
        if label[finding] == NOT_SAID:
            label[finding] = PRESENT if finding in located else ABSENT
        elif label[finding] == ABSENT and finding in located:
            counts["labelled absent, but located (both kept)"] += 1
    return replace(
        item, label=tuple(label.values()), boxes=boxes, mask=masks, annotated=tuple(dict.fromkeys(annotated))
    )


def _asked(said: Sequence[Said]) -> list[str]:
    """Findings that were to be located in an image."""
    return [each.meanings[name] for each in said for name in (*each.asked, *each.image.asked) if name in each.meanings]
