"""What can be wrong with a datalist: in its text, and against the files that it names."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from app.datalist.duplicates import crossing_files
from app.datalist.item import SECTIONS, Box, Datalist, Item, RunLengths
from app.datalist.people import caseless, is_missing, normalised
from app.files.image_names import image_size, image_sizes
from app.files.limited import limited
from app.findings import NOT_SAID, UNCERTAIN, name_problems
from app.nearest import did_you_mean
from transforms.errors import RadiographError
from transforms.masks import read_mask

LISTED = 20
"""So many problems are spelt out in an error; the rest is counted."""
_TOLERANCE = 0.01
"""Pixels by which a box may reach over the edge: what rounding to hundredths does."""


class DatalistError(ValueError):
    """A datalist has problems; the message names the file, each item and what is allowed."""


def validate(datalist: Datalist, root: Path, files: bool, where: str = "") -> None:
    """Refuse a datalist with any problem.

    Args:
        datalist: as read or built.
        root: the folder that its paths are relative to.
        files: whether to look at the files as well: that they exist, and by their headers that boxes lie inside the
            image and that masks have its size.
        where: the datalist's file, for the message; without it the datalist's name.

    Raises:
        DatalistError: counting all problems and listing the first 20.
    """
    found = problems(datalist)
    if files:
        found += file_problems(datalist, root)
    if found:
        raise report(where or datalist.name, found)


def report(where: str, found: list[str]) -> DatalistError:
    """One error of many problems."""
    if len(found) == 1:
        return DatalistError(f"{where}: {found[0]}")
    lines = [f"{where}: {len(found)} problems.", *(f"  {problem}" for problem in found[:LISTED])]
    if len(found) > LISTED:
        lines.append(f"  ... and {len(found) - LISTED} more.")
    return DatalistError("\n".join(lines))


def problems(datalist: Datalist) -> list[str]:
    """Every problem that needs no look at a file, each naming its item."""
    found = _head_problems(datalist)
    known = frozenset(datalist.findings)
    labels = {item.label for _, _, item in items_of(datalist)}
    wrong = {label: text for label in labels if (text := _label_problem(label, len(datalist.findings)))}
    nobody = {patient for patient in {item.patient for _, _, item in items_of(datalist)} if is_missing(patient)}
    for section, index, item in items_of(datalist):
        texts = [wrong[item.label]] if wrong and item.label in wrong else []
        if nobody and item.patient in nobody:
            said = (
                f"'patient', {item.patient!r}, stands for a missing value" if item.patient else "'patient' is missing"
            )
            texts.append(f"{said}; without it nobody can keep a patient out of two splits.")
        if item.boxes or item.mask or item.annotated:
            texts += _location_problems(item, known)
        found += [f"{section}[{index}] {item.image}: {text}" for text in texts]
    return found + _repeated_images(datalist) + crossing_patients(datalist)


def crossing_patients(datalist: Datalist) -> list[str]:
    """One problem where patients are in two sections or more, naming three of them; else an empty list."""
    section_of: dict[str, str] = {}
    crossing: dict[str, str] = {}
    for section, items in datalist.sections.items():
        for patient in dict.fromkeys(normalised(patient) for patient in {item.patient: None for item in items}):
            first = section_of.setdefault(patient, section)
            if first != section and patient and patient not in crossing:
                crossing[patient] = f"{patient!r} in {first} and {section}"
    if not crossing:
        return []
    named = "; ".join(list(crossing.values())[:3])
    return [f"{_count(len(crossing), 'patient')} in more than one of {', '.join(SECTIONS)}: {named}. Split by patient."]


def notes(datalist: Datalist) -> list[str]:
    """What may be meant, but should be looked at: patients whose names differ in nothing but case."""
    spellings: dict[str, dict[str, str]] = {}
    for section, items in datalist.sections.items():
        for patient in {item.patient: None for item in items}:
            spellings.setdefault(caseless(patient), {}).setdefault(patient, section)
    alike = [each for each in spellings.values() if len(each) > 1]
    if not alike:
        return []
    named = "; ".join(" and ".join(f"{name!r} ({where})" for name, where in each.items()) for each in alike[:3])
    return [
        f"{_count(len(alike), 'patient')} may be written in two ways, in names that differ in nothing but capitals: "
        f"{named}. They count as different patients, who may be in training and test; write one patient in one way."
    ]


def file_problems(datalist: Datalist, root: Path) -> list[str]:
    """Every problem between the items and their files, as headers tell: nothing of their pixels is read.

    Missing ones, boxes outside the image, masks of another size, one file in two sections.
    """
    base = root.resolve()
    images = {item.image: absolute_path(base, item.image) for _, _, item in items_of(datalist)}
    named = (mask for _, _, item in items_of(datalist) for mask in item.mask.values())
    masks = {mask: absolute_path(base, mask) for mask in named if isinstance(mask, str)}
    sizes = image_sizes([*images.values(), *masks.values()])
    found = []
    for section, index, item in items_of(datalist):
        texts = _file_problems(item, images, masks, sizes)
        found += [f"{section}[{index}] {item.image}: {text}" for text in texts]
    return found + crossing_files(datalist, root)


def mask_problems(datalist: Datalist, root: Path) -> list[str]:
    """Every mask file that cannot be read, or is no clear mask; those whose headers cannot be read are left out."""
    base = root.resolve()
    found = []
    for section, index, item in items_of(datalist):
        for finding, mask in item.mask.items():
            if not isinstance(mask, str):
                continue
            path = absolute_path(base, mask)
            try:
                image_size(path)
                limited(read_mask, path)
            except RadiographError as error:
                found.append(f"{section}[{index}] {item.image}: mask of {finding!r}: {error}")
            except ValueError:  # its header, of which `file_problems` tells
                continue
    return found


def items_of(datalist: Datalist) -> Iterator[tuple[str, int, Item]]:
    """(section, place in it, item) of every item."""
    for section, items in datalist.sections.items():
        for index, item in enumerate(items):
            yield section, index, item


def absolute_path(base: Path, name: str) -> Path:
    """Where a datalist in the (resolved) folder ``base`` says that a file is; ``..`` is taken off by name."""
    return Path(os.path.normpath(base / name))


def _head_problems(datalist: Datalist) -> list[str]:
    unknown = [name for name in datalist.sections if name not in SECTIONS]
    found = [f"unknown section {name!r}; there are {', '.join(SECTIONS)}." for name in unknown]
    if not any(datalist.sections.values()):
        found.append(f"the datalist is empty: no item in {', '.join(SECTIONS)}.")
    return found + name_problems(datalist.findings)


def _label_problem(label: tuple[float, ...], length: int) -> str:
    if len(label) != length:
        return f"'label' has {_count(len(label), 'value')}, but there are {_count(length, 'finding')}."
    wrong = [value for value in label if value not in (UNCERTAIN, NOT_SAID) and not 0 <= value <= 1]
    if not wrong:
        return ""
    return f"label {wrong[0]!r}: allowed are 1 present, 0 absent, -1 uncertain, null not said, certainties in [0, 1]."


def _location_problems(item: Item, known: frozenset[str]) -> Iterator[str]:
    located = [*(box.finding for box in item.boxes), *item.mask]
    for finding in dict.fromkeys([*located, *item.annotated]):
        if finding not in known:
            yield f"unknown finding {finding!r}.{did_you_mean(finding, known)} Known: {', '.join(sorted(known))}."
        elif finding not in item.annotated:
            yield f"{finding!r} has a box or a mask but is not among its 'annotated' findings."
    for box in item.boxes:
        if not (box.width > 0 and box.height > 0):
            yield f"{_box_text(box)} has no area."
        elif box.x < -_TOLERANCE or box.y < -_TOLERANCE:
            yield f"{_box_text(box)} begins outside the image."


def _repeated_images(datalist: Datalist) -> list[str]:
    # "a/../b.png" and "b.png" are one file; posixpath, as a datalist has forward slashes everywhere.
    counts = Counter(
        posixpath.normpath(image) if "/." in image or "//" in image or image[:1] == "." else image
        for image in (item.image for _, _, item in items_of(datalist))
    )
    if len(counts) == sum(map(len, datalist.sections.values())):
        return []
    return [f"image {image!r} is named {count} times." for image, count in counts.items() if count > 1]


def _file_problems(
    item: Item, images: dict[str, Path], masks: dict[str, Path], sizes: dict[Path, tuple[int, int] | ValueError]
) -> Iterator[str]:
    size = sizes[images[item.image]]
    if isinstance(size, ValueError):
        yield str(size)
        return
    height, width = size
    for box in item.boxes:
        if box.x + box.width > width + _TOLERANCE or box.y + box.height > height + _TOLERANCE:
            yield f"{_box_text(box)} reaches outside the image of {width} x {height} pixels (width x height)."
    for finding, mask in item.mask.items():
        mask_size = mask.size if isinstance(mask, RunLengths) else sizes[masks[mask]]
        if isinstance(mask_size, ValueError):
            yield f"mask of {finding!r}: {mask_size}"
        elif tuple(mask_size) != size:
            has = f"{mask_size[1]} x {mask_size[0]}"
            yield f"mask of {finding!r} has {has} pixels (width x height), the image {width} x {height}."


def _box_text(box: Box) -> str:
    return f"box of {box.finding!r} (x {box.x:g}, y {box.y:g}, width {box.width:g}, height {box.height:g})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
