"""Annotations of a user's own images: read from files of any known format, and matched with the images."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from app.annotation_formats.marks import AnnotatedImage, AnnotationError, AnnotationFile
from app.annotation_formats.matching import ImageIndex
from app.annotation_formats.recognition import Source, find_annotations, names_in, read_annotations
from app.datalist.record_numbers import looks_like_a_record
from app.datasets.finding_names import FindingNames
from app.files.folders import Listing, composed
from app.findings import VOCABULARY, plain
from app.nearest import did_you_mean

_NAMES_OF_NUMBERS = {
    "masks": ' Or add a file of names, such as {"1": "Effusion"} as JSON.',
    "YOLO": " Or add the file that names them: data.yaml, classes.txt or obj.names.",
}
"""What else helps if categories are numbers, by the file's format."""


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
    paths: Iterable[Path],
    listing: Listing,
    known: Sequence[str],
    wanted: Wanted,
    pseudonyms: Mapping[Path, str] | None = None,
) -> Annotations:
    """Read annotation files and find the images that they are of.

    Args:
        paths: Files and folders, each of one format.
        listing: The images.
        known: Findings that categories may mean besides the vocabulary's.
        wanted: What to take.
        pseudonyms: Of images, by which annotations may name them too.

    Raises:
        AnnotationError: A file is wrong, a category is no finding, an image may be any of several files, or nothing is
            left.
        RadiographError: A mask cannot be read.
    """
    finding_of = _finding_names(wanted, known)
    sources = [_source(path, listing, wanted.format) for path in paths]
    taken = {_absolute(file) for source in sources for files in source.files.values() for file in files}
    names = tuple(name for name in listing.names if _absolute(listing.folder / name) not in taken)
    listing = replace(listing, names=names)
    index = ImageIndex(listing.folder, listing.files, pseudonyms)
    named: dict[int, str] = {}
    for source in sources:
        named |= names_in(source)
    files = [
        (source.path.absolute().name, each)
        for source in sources
        for each in read_annotations(source, named, lambda name: bool(finding_of(name)))
    ]
    _choose_reader([file for _, file in files], wanted.reader)
    images: dict[Path, list[Said]] = defaultdict(list)
    findings: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for source_name, file in files:
        meanings = _meanings(file, finding_of, wanted)
        findings |= dict.fromkeys(meanings.values())
        matched = index.matched(file)
        for path, annotated in matched.items():
            images[path] += [Said(image, meanings, file.asked) for image in annotated]
        # The datalist keeps these counts: a folder's files may be named after patients.
        where = file.format if looks_like_a_record(source_name) else f"{source_name} ({file.format})"
        counts[f"{where}: annotated images"] += len(matched)
        counts.update({f"{where}: {reason}": count for reason, count in file.counts.items() if count})
    if not images or not findings:
        why = "no category in it is used, so nobody was asked for anything" if images else "nothing in it is annotated"
        raise AnnotationError(f"{', '.join(str(source.path) for source in sources)}: {why}.")
    return Annotations(listing, tuple(findings), dict(images), counts)


def _source(path: Path, listing: Listing, wanted: str) -> Source:
    """The annotations at a path; pictures in it are masks if they are no images, or if it holds nothing else."""
    radiographs = {file.resolve() for file in listing.files}
    try:
        return find_annotations(path, radiographs, wanted)
    except AnnotationError:
        named = _absolute(path)
        below = {file.resolve() for file in listing.files if _absolute(file).is_relative_to(named)}
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


def _choose_reader(files: Sequence[AnnotationFile], reader: str) -> None:
    """Leave out what others than the reader said; files that name no reader stay.

    Raises:
        AnnotationError: No file has such a reader.
    """
    if not reader:
        return
    known = sorted({image.reader for file in files for image in file.images} - {""})
    if reader not in known:
        paths = ", ".join(str(file.path) for file in files)
        raise AnnotationError(
            f"{paths}: no reader is named {reader!r}; readers: {', '.join(known) or 'none is named'}."
        )
    for file in files:
        taken = [image for image in file.images if image.reader in (reader, "")]
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
        values = _NAMES_OF_NUMBERS.get(file.format, "") if first.isdecimal() else ""
        raise AnnotationError(
            f"{file.path}: no finding is called {listed}.{did_you_mean(first, VOCABULARY)} Say what each means by "
            f"--map {first!r}=FINDING, or leave it out by --ignore {first!r}.{values}"
        )
    for name, count in used.items():
        file.counts[f"left out: {name!r} (--ignore)"] += count * (name not in meanings)
    unused = [name for name in dict.fromkeys(asked) if name not in meanings and not used[name]]
    file.counts[f"categories without any annotation that are no finding ({', '.join(unused)})"] += len(unused)
    return meanings
