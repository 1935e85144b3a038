"""Find what is wrong with a datalist: in its text, and compared with the files that it names."""

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
"""How many problems an error lists; it counts the others."""
_TOLERANCE = 0.01
"""Pixels by which a box may reach over the edge, because of rounding to hundredths."""


class DatalistError(ValueError):
    """A datalist has problems; the message names the file, each item and what is allowed."""


def validate(datalist: Datalist, root: Path, files: bool, where: str = "") -> None:
    """Refuse a datalist that has any problem.

    Args:
        datalist: A datalist.
        root: The folder that its paths are relative to.
        files: Whether to look at the headers of its files as well: that they exist, that boxes are inside the image,
            and that masks have its size.
        where: The datalist's file, for messages; by default its name.

    Raises:
        DatalistError: Counts all problems and lists the first 20.
    """
    faults = problems(datalist)
    if files:
        faults += file_problems(datalist, root)
    if faults:
        raise report(where or datalist.name, faults)


def report(where: str, faults: list[str]) -> DatalistError:
    """One error of many problems."""
    if len(faults) == 1:
        return DatalistError(f"{where}: {faults[0]}")
    lines = [f"{where}: {len(faults)} problems.", *(f"  {problem}" for problem in faults[:LISTED])]
    if len(faults) > LISTED:
        lines.append(f"  ... and {len(faults) - LISTED} more.")
    return DatalistError("\n".join(lines))


def problems(datalist: Datalist) -> list[str]:
    """Every problem that shows without opening a file, each with its item.

    Example:
        >>> problems(Datalist.unsplit("wards", ("Nodule", "Effusion"), [Item("1.png", "7", (1,))]))
        ["training[0] 1.png: 'label' has 1 value for 2 findings."]
    """
    faults = _head_problems(datalist)
    known = frozenset(datalist.findings)
    items = datalist.items()
    # Few labels and patients recur in many items: each is checked once.
    wrong = {label: _label_problem(label, len(datalist.findings)) for label in {item.label for item in items}}
    missing = {patient for patient in {item.patient for item in items} if is_missing(patient)}
    for section, index, item in _numbered(datalist):
        texts = [wrong[item.label]] if wrong[item.label] else []
        if missing and item.patient in missing:
            what = f", {item.patient!r}, stands for a missing value" if item.patient else " is missing"
            texts.append(f"'patient'{what}; without it nobody can keep a patient out of two splits.")
        if item.boxes or item.mask or item.annotated:
            texts += _location_problems(item, known)
        faults += [f"{section}[{index}] {item.image}: {text}" for text in texts]
    return faults + _repeated_images(items) + crossing_patients(datalist)


def crossing_patients(datalist: Datalist) -> list[str]:
    """One problem, which names three patients, if any are in more than one section; else an empty list."""
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
    """What may be intended but should be looked at: patients whose names differ only in capitals."""
    spellings: dict[str, dict[str, str]] = {}
    for section, items in datalist.sections.items():
        for patient in {item.patient: None for item in items}:
            spellings.setdefault(caseless(patient), {}).setdefault(patient, section)
    alike = [each for each in spellings.values() if len(each) > 1]
    if not alike:
        return []
    named = "; ".join(" and ".join(f"{name!r} ({where})" for name, where in each.items()) for each in alike[:3])
    return [
        f"{_count(len(alike), 'patient')} may be written in two ways, as their names differ only in capitals: {named}. "
        "They count as different patients, who may be in training and test; write each patient in one way."
    ]


def file_problems(datalist: Datalist, root: Path) -> list[str]:
    """Every problem with the files as their headers show it; pixels are not read.

    These are missing files, boxes outside the image, masks of another size, and one file in two sections.
    """
    base = root.resolve()
    masks = {mask for item in datalist.items() for mask in item.mask.values() if isinstance(mask, str)}
    paths = {name: absolute_path(base, name) for name in {item.image for item in datalist.items()} | masks}
    by_path = image_sizes(paths.values())
    sizes = {name: by_path[path] for name, path in paths.items()}
    faults = [
        f"{section}[{index}] {item.image}: {text}"
        for section, index, item in _numbered(datalist)
        for text in _file_problems(item, sizes)
    ]
    return faults + crossing_files(datalist, root)


def mask_problems(datalist: Datalist, root: Path) -> list[str]:
    """Every mask file whose pixels cannot be read as a mask; :func:`file_problems` reports unreadable headers."""
    base = root.resolve()
    faults = []
    for section, index, item in _numbered(datalist):
        for finding, mask in item.mask.items():
            if not isinstance(mask, str):
                continue
            path = absolute_path(base, mask)
            try:
                image_size(path)
                limited(read_mask, path)
            except RadiographError as error:
                faults.append(f"{section}[{index}] {item.image}: mask of {finding!r}: {error}")
            except ValueError:  # the header, which `file_problems` reports
                continue
    return faults


def absolute_path(base: Path, name: str) -> Path:
    """The path of a file that a datalist in the (resolved) folder ``base`` names; ``..`` is removed by name."""
    return Path(os.path.normpath(base / name))


def _numbered(datalist: Datalist) -> Iterator[tuple[str, int, Item]]:
    """(section, index in it, item) of every item."""
    for section, items in datalist.sections.items():
        for index, item in enumerate(items):
            yield section, index, item


def _head_problems(datalist: Datalist) -> list[str]:
    unknown = [name for name in datalist.sections if name not in SECTIONS]
    faults = [f"unknown section {name!r}; there are {', '.join(SECTIONS)}." for name in unknown]
    if not any(datalist.sections.values()):
        faults.append(f"the datalist is empty: no item in {', '.join(SECTIONS)}.")
    return faults + name_problems(datalist.findings)


def _label_problem(label: tuple[float, ...], length: int) -> str:
    if len(label) != length:
        return f"'label' has {_count(len(label), 'value')} for {_count(length, 'finding')}."
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


def _repeated_images(items: list[Item]) -> list[str]:
    # "a/../b.png" and "b.png" are one file. A datalist has forward slashes on every system, hence posixpath.
    counts = Counter(
        posixpath.normpath(image) if "/." in image or "//" in image or image[:1] == "." else image
        for image in (item.image for item in items)
    )
    if len(counts) == len(items):
        return []
    return [f"image {image!r} is named {count} times." for image, count in counts.items() if count > 1]


def _file_problems(item: Item, sizes: dict[str, tuple[int, int] | ValueError]) -> Iterator[str]:
    size = sizes[item.image]
    if isinstance(size, ValueError):
        yield str(size)
        return
    height, width = size
    for box in item.boxes:
        if box.x + box.width > width + _TOLERANCE or box.y + box.height > height + _TOLERANCE:
            yield f"{_box_text(box)} reaches outside the image of {width} x {height} pixels (width x height)."
    for finding, mask in item.mask.items():
        mask_size = mask.size if isinstance(mask, RunLengths) else sizes[mask]
        if isinstance(mask_size, ValueError):
            yield f"mask of {finding!r}: {mask_size}"
        elif tuple(mask_size) != size:
            has = f"{mask_size[1]} x {mask_size[0]}"
            yield f"mask of {finding!r} has {has} pixels (width x height), the image {width} x {height}."


def _box_text(box: Box) -> str:
    return f"box of {box.finding!r} (x {box.x:g}, y {box.y:g}, width {box.width:g}, height {box.height:g})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
