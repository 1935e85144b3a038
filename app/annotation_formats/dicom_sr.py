"""DICOM structured reports of template TID 1500: outlined regions and findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.annotation_formats.marks import AnnotatedImage, AnnotationError, AnnotationFile, Mark, Polygons
from app.annotation_formats.rotation import ellipse_polygon
from app.datalist.stored_images import stem
from app.files.limited import limited
from app.findings import ABSENT, PRESENT

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

REPORTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (22, 33, 34))
"""Enhanced, Comprehensive and Comprehensive 3D SR Storage."""
OWN = "FrugalCXR"
"""Manufacturer of reports that a network of ours wrote."""

# Concepts of PS3.16: a measurement group (TID 1410 and 1501) and what is in it.
_GROUP, _FINDING, _SITE, _OBSERVER = "125007", "121071", "363698007", "121008"
_TRACKING, _COMMENT = "112039", "121106"
_PRESENCE = "705057003"
_STATES = {
    **dict.fromkeys(("52101004", "121053"), PRESENT),
    **dict.fromkeys(("272519000", "2667000", "121054"), ABSENT),
}
_LEFT_OUT = "points and lines without an area (left out)"


class _Group(NamedTuple):
    """What one group of measurements says of one image.

    Attributes:
        number: In the report, from 1.
        texts: What it may be called.
        instance: SOP Instance UID of the image.
        shapes: Regions with an area.
        state: Whether its finding is present, if it has no region at all; None if it has one.
    """

    number: int
    texts: tuple[str, ...]
    instance: str
    shapes: tuple[Polygons, ...]
    state: float | None


def read_dicom_sr(path: Path, files: Sequence[Path], is_finding: Callable[[str], bool]) -> AnnotationFile:
    """Read reports: of each group of measurements its region, or whether its finding is present.

    A group is called by the meaning of its finding, or, if that is no finding, by its comment (where OHIF keeps what a
    reader typed), its tracking identifier or its site. Points and lines are left out and counted, and so are reports
    that a network of ours wrote and nobody verified.

    Args:
        path: The folder, for messages.
        files: The reports.
        is_finding: Whether a name is that of a finding.

    Raises:
        AnnotationError: A file cannot be read, or does not say which image a group is about.
    """
    result = AnnotationFile(path, "DICOM SR")
    for file in files:
        groups, reader, counts = limited(_content, file)
        result.counts += counts
        images: dict[str, AnnotatedImage] = {}
        for group in groups:
            names = (stem(file.name), group.instance)
            new = AnnotatedImage(names, str(file), reader=reader, instance=group.instance)
            image = images.setdefault(group.instance, new)
            name = next(filter(is_finding, group.texts), group.texts[0])
            image.marks += [Mark(name, shape, f"{file}, group {group.number}") for shape in group.shapes]
            if group.state is not None:
                image.labels[name] = group.state
        result.images += images.values()
    return result


def _content(file: Path) -> tuple[list[_Group], str, Counter[str]]:
    """The groups of a report that have a name, who wrote it, and what was left out of it."""
    import pydicom

    counts: Counter[str] = Counter()
    try:
        dataset = pydicom.dcmread(file)
        if dataset.get("Manufacturer") == OWN and dataset.get("VerificationFlag") != "VERIFIED":
            counts["unverified reports of our own networks (left out)"] += 1
            return [], "", counts
        if "ContentSequence" not in dataset:
            raise AnnotationError("a report without content: truncated, or empty; export it again.")
        evidence = _evidence(dataset)
        groups = [_group(each, evidence, number) for number, each in enumerate(_groups(dataset), start=1)]
        reader = _text(_children(dataset, _OBSERVER))
    except AnnotationError as error:
        raise AnnotationError(f"{file}: {error}") from error
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise AnnotationError(
            f"{file}: cannot be read as a structured report ({type(error).__name__}): damaged or truncated; export it "
            "again."
        ) from error
    counts["groups that name no finding (left out)"] += sum(not group.texts for group in groups)
    counts[_LEFT_OUT] += sum(bool(group.texts) and group.state is None and not group.shapes for group in groups)
    return [group for group in groups if group.texts], reader, counts


def _group(group: Dataset, evidence: Sequence[str], number: int) -> _Group:
    concepts = (_FINDING, _COMMENT, _TRACKING, _SITE)
    regions = [item for item in _items(group) if item.get("ValueType") == "SCOORD"]
    # Viewers repeat a region below each of its measurements, and add points that are none, such as the place of a text.
    shapes = dict.fromkeys(map(_shape, regions))
    codes = [str(code.CodeValue) for each in _children(group, _PRESENCE) for code in each.ConceptCodeSequence]
    return _Group(
        number,
        tuple(text for concept in concepts if (text := _text(_children(group, concept)))),
        _instance(group, evidence, number),
        tuple(shape for shape in shapes if shape is not None),
        None if regions else next((_STATES[code] for code in codes if code in _STATES), PRESENT),
    )


def _shape(item: Dataset) -> Polygons | None:
    """The region of a SCOORD item (PS3.3, C.18.6); None if it has no area."""
    values = [float(value) for value in item.GraphicData]
    points = list(zip(values[::2], values[1::2], strict=True))
    kind = str(item.GraphicType)
    if kind == "CIRCLE":
        radius = math.dist(*points)
        return ellipse_polygon(points[0], (radius, radius))
    if kind == "ELLIPSE":
        (left, top), (right, bottom) = points[:2]
        radii = (math.dist(*points[:2]) / 2, math.dist(*points[2:4]) / 2)
        degrees = math.degrees(math.atan2(bottom - top, right - left))
        return ellipse_polygon(((left + right) / 2, (top + bottom) / 2), radii, degrees)
    corners = points[:-1] if points[0] == points[-1] else points
    if kind not in ("POLYLINE", "POLYGON") or len(corners) < 3:
        return None
    return Polygons((tuple(value for corner in corners for value in corner),))


def _instance(group: Dataset, evidence: Sequence[str], number: int) -> str:
    """The SOP Instance UID of the one image that a group is about."""
    named = [
        str(reference.ReferencedSOPInstanceUID)
        for item in _items(group)
        if item.get("ValueType") == "IMAGE"
        for reference in item.ReferencedSOPSequence
        if str(reference.ReferencedSOPInstanceUID) in evidence or not evidence
    ]
    images = set(named or evidence)
    if len(images) != 1:
        raise AnnotationError(f"group {number} refers to {len(images)} images, not to the one that it is about.")
    return images.pop()


def _evidence(dataset: Dataset) -> list[str]:
    """SOP Instance UIDs of the images that a report is about."""
    return [
        str(instance.ReferencedSOPInstanceUID)
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in dataset.get(keyword) or []
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    ]


def _groups(dataset: Dataset) -> Iterator[Dataset]:
    return (item for item in _items(dataset) if _concept(item) == _GROUP)


def _items(content: Dataset) -> Iterator[Dataset]:
    """All items of a content tree below one, in their order."""
    for item in content.get("ContentSequence") or []:
        yield item
        yield from _items(item)


def _children(content: Dataset, concept: str) -> list[Dataset]:
    return [item for item in _items(content) if _concept(item) == concept]


def _concept(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].get("CodeValue")) if names else ""


def _text(items: Sequence[Dataset]) -> str:
    """What the first of some items says, in words; empty if there is none."""
    for item in items:
        codes = item.get("ConceptCodeSequence")
        value = codes[0].get("CodeMeaning") if codes else item.get("TextValue") or item.get("PersonName")
        if value:
            return str(value).strip()
    return ""
