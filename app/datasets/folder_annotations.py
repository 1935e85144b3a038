"""Annotations of a user's own images, from files of any known format, as labels, boxes and masks of a datalist."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from app.annotation_formats.drawing import NamedMark, Target, draw
from app.annotation_formats.marks import AnnotatedImage, AnnotationError, AnnotationFile, Raster
from app.annotation_formats.matching import ImageIndex
from app.annotation_formats.recognition import Source, find_annotations, names_in, read_annotations
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datasets.finding_names import FindingNames
from app.files.folders import Listing, composed
from app.files.image_names import image_sizes
from app.findings import ABSENT, NOT_SAID, PRESENT, VOCABULARY, plain
from app.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which annotations to take, and what their categories mean.

    Attributes:
        format: One of ``FORMATS``; empty if the content decides.
        names: What categories mean.
        ignored: Categories to leave out.
        reader: The only reader whose annotations are taken; empty for all.
    """

    names: FindingNames
    format: str = ""
    ignored: frozenset[str] = frozenset()
    reader: str = ""


class Said(NamedTuple):
    """What one annotation says of an image.

    Attributes:
        image: The annotation.
        meanings: The finding that each category means, without those that are left out.
        asked: Categories that were to be located in every image of the file.
    """

    image: AnnotatedImage
    meanings: Mapping[str, str]
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations of the images in a folder.

    Attributes:
        listing: The images, without files that turned out to be masks.
        findings: That any annotation names.
        images: What is said of each file of the folder.
        counts: Of each annotation file: what was taken and left out.
    """

    listing: Listing
    findings: tuple[str, ...]
    images: Mapping[Path, Sequence[Said]]
    counts: Mapping[str, int]


def read_folder_annotations(
    paths: Iterable[Path], listing: Listing, known: Sequence[str], wanted: Wanted
) -> Annotations:
    """Read annotation files and find the images that they are of.

    Args:
        paths: Files and folders, each of one format.
        listing: The images.
        known: Findings that categories may mean besides the vocabulary's.
        wanted: What to take.

    Raises:
        AnnotationError: A file is wrong, a category is no finding, an image may be any of several files, or nothing is
            left.
        RadiographError: A mask cannot be read.
    """
    finding_of = _finding_names(wanted, known)
    sources = [_source(path, listing, wanted.format) for path in paths]
    taken = {_absolute(file) for source in sources for files in source.files.values() for file in files}
    listing = replace(listing, files=tuple(file for file in listing.files if _absolute(file) not in taken))
    index = ImageIndex(listing.folder, listing.files)
    named: dict[int, str] = {}
    for source in sources:
        named |= names_in(source)
    images: dict[Path, list[Said]] = defaultdict(list)
    findings: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for file in (each for source in sources for each in read_annotations(source, named, lambda n: bool(finding_of(n)))):
        _choose_reader(file, wanted.reader)
        meanings = _meanings(file, finding_of, wanted)
        findings |= dict.fromkeys(meanings.values())
        matched = index.matched(file)
        for path, annotated in matched.items():
            images[path] += [Said(image, meanings, file.asked) for image in annotated]
        where = f"{file.path.name} ({file.format})"
        counts[f"{where}: annotated images"] = len(matched)
        counts.update({f"{where}: {reason}": count for reason, count in file.counts.items() if count})
    if not images:
        raise AnnotationError(f"{', '.join(map(str, paths))}: nothing in it is annotated.")
    return Annotations(listing, tuple(findings), dict(images), counts)


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
    from transforms.dicom_reference import references

    findings = (*datalist.findings, *(each for each in annotations.findings if each not in datalist.findings))
    paths = [path for path in stored.values() if path in annotations.images]
    turned = [path for path in paths if any(map(_is_anatomical, annotations.images[path]))]
    turns = {path: each.turn for path, each in zip(turned, references(turned), strict=True)}
    sizes = image_sizes(paths)
    readers = {path: {image.reader for image, _, _ in annotations.images[path]} - {""} for path in paths}
    are_several = any(len(each) > 1 for each in readers.values())
    counts = Counter(annotations.counts)

    def annotated(item: Item) -> Item:
        item = replace(item, label=(*item.label, *[NOT_SAID] * (len(findings) - len(item.label))))
        path = stored[item.image]
        if path not in annotations.images:
            return item
        size = sizes[path]
        if isinstance(size, ValueError):
            raise size
        said = annotations.images[path]
        marks = [
            NamedMark(meanings[mark.name], mark, image.frame, image.reader if are_several else "")
            for image, meanings, _ in said
            for mark in image.marks
            if mark.name in meanings
        ]
        target = Target(size, turns[path]) if path in turns else Target(size)
        try:
            boxes, masks = draw(marks, target, counts)
        except AnnotationError as error:
            raise AnnotationError(f"{item.image}: {error}") from error
        if are_several and readers[path]:
            item.attributes = {**item.attributes, "readers": " ".join(sorted(readers[path]))}
        labels = _labels(said, findings)
        asked = [
            meanings[name] for image, meanings, of_file in said for name in (*of_file, *image.asked) if name in meanings
        ]
        return _merged(item, findings, labels, (boxes, masks), asked, counts)

    result = replace(datalist, findings=findings).mapped(annotated)
    counts["left out: annotated images without a row in the table"] = len(annotations.images) - len(paths)
    return result.with_counts({reason: count for reason, count in counts.items() if count})


def _source(path: Path, listing: Listing, wanted: str) -> Source:
    """The annotations at a path; pictures in it are masks if they are no images, or if it holds nothing else."""
    radiographs = {file.resolve() for file in listing.files}
    try:
        return find_annotations(path, radiographs, wanted)
    except AnnotationError:
        below = {file.resolve() for file in listing.files if _absolute(file).is_relative_to(_absolute(path))}
        if not below or below == radiographs:
            raise
        return find_annotations(path, radiographs - below, wanted)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - without following links, as images keep their own names


def _finding_names(wanted: Wanted, known: Sequence[str]) -> Callable[[str], str | None]:
    """What a category means; None for one that is ignored or is no finding."""
    own = {plain(composed(name)): name for name in known}

    def finding_of(name: str) -> str | None:
        if plain(name) in wanted.ignored:
            return None
        return wanted.names.finding(name) or own.get(plain(composed(name)))

    return finding_of


def _choose_reader(file: AnnotationFile, reader: str) -> None:
    """Leave out what others than the reader said."""
    if not reader:
        return
    readers = sorted({image.reader for image in file.images} - {""})
    if reader not in readers:
        raise AnnotationError(
            f"{file.path}: has no reader {reader!r}; its readers: {', '.join(readers) or 'none named'}."
        )
    taken = [image for image in file.images if image.reader == reader]
    file.counts["left out: annotations of other readers"] += len(file.images) - len(taken)
    file.images = taken


def _meanings(file: AnnotationFile, finding_of: Callable[[str], str | None], wanted: Wanted) -> dict[str, str]:
    """The finding that each category of a file means.

    Raises:
        AnnotationError: A category that is used is no finding, and is not ignored.
    """
    used = Counter(mark.name for image in file.images for mark in image.marks)
    used.update(name for image in file.images for name in image.labels)
    asked = [*file.asked, *(name for image in file.images for name in image.asked)]
    meanings = {name: finding for name in dict.fromkeys([*asked, *used]) if (finding := finding_of(name))}
    unknown = [name for name in used if name not in meanings and plain(name) not in wanted.ignored]
    if unknown:
        listed = ", ".join(f"{name!r} ({used[name]} times)" for name in sorted(unknown))
        first = min(unknown)
        values = ' Or add a file of names, such as {"1": "Effusion"} as JSON.' if first.isdecimal() else ""
        raise AnnotationError(
            f"{file.path}: no finding is called {listed}.{did_you_mean(first, VOCABULARY)} Say what each means by "
            f"--map {first!r}=FINDING, or leave it out by --ignore {first!r}.{values}"
        )
    for name, count in used.items():
        file.counts[f"left out: {name!r} (--ignore)"] += count * (name not in meanings)
    unused = [name for name in dict.fromkeys(asked) if name not in meanings and not used[name]]
    file.counts[f"categories without any annotation that are no finding ({', '.join(unused)})"] += len(unused)
    return meanings


def _is_anatomical(said: Said) -> bool:
    return any(isinstance(mark.shape, Raster) and mark.shape.is_anatomical for mark in said.image.marks)


def _labels(said: Sequence[Said], findings: Sequence[str]) -> dict[str, float]:
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
    return {finding: labels[finding] for finding in findings if finding in labels}


def _merged(
    item: Item,
    findings: Sequence[str],
    labels: Mapping[str, float],
    drawn: tuple[tuple[Box, ...], dict[str, RunLengths]],
    asked: Sequence[str],
    counts: Counter[str],
) -> Item:
    """An item with what annotations say besides; see `with_annotations`."""
    boxes, masks = drawn
    located = {*(box.finding for box in boxes), *masks}
    label = dict(zip(findings, item.label, strict=True))
    annotated = list(item.annotated)
    for finding, value in labels.items():
        if label[finding] == NOT_SAID:
            label[finding] = value
        elif label[finding] != value:
            counts["annotations that differ from the table's label (the table's is kept)"] += 1
    for finding in dict.fromkeys([*asked, *located]):
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
