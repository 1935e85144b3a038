"""Datalist files: reading, writing, what identifies their content, and the samples that transforms start from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from app.datalist.form import ItemParser, item_record
from app.datalist.garbage import without_garbage_collection
from app.datalist.item import SECTIONS, Box, Datalist, Item, RunLengths
from app.datalist.validate import DatalistError, problems, report
from app.files.atomic import whole_file
from app.files.strict_json import strict_loads

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "DatalistError",
    "fingerprint",
    "parse_datalist",
    "read_datalist",
    "samples",
    "split_fingerprint",
    "write_datalist",
]

HEAD_KEYS = ("name", "description", "findings", "provenance", *SECTIONS)
_SECTION_LINES = {f'"{section}": ['.encode(): section for section in SECTIONS}


def read_datalist(path: Path) -> Datalist:
    """Read a datalist and refuse it where its text alone shows that something is wrong.

    Files are not looked at: :func:`app.datalist.validate.validate` does that.

    Raises:
        DatalistError: the file is missing or no datalist, or has problems; all are counted, the first 20 listed.
    """
    datalist, found = parse_datalist(path)
    if found:
        raise report(str(path), found)
    return datalist


def parse_datalist(path: Path) -> tuple[Datalist, list[str]]:
    """A datalist as far as it can be read, with every problem that its text shows (none: an empty list).

    Raises:
        DatalistError: the file is missing, no JSON, or has no list of findings.
    """
    parser = ItemParser()
    with without_garbage_collection():
        head, sections = _read_by_line(path, parser) or _read_whole(path, parser)
    findings = head.get("findings")
    if not isinstance(findings, list) or not findings or not all(isinstance(name, str) for name in findings):
        raise DatalistError(f"{path}: 'findings' must be a list of one name or more, not {findings!r}.")
    found = [f"unknown key {key!r}. Known: {', '.join(HEAD_KEYS)}." for key in head if key not in HEAD_KEYS]
    provenance = head.get("provenance") or {}
    if not isinstance(provenance, dict):
        found.append(f"'provenance' must be an object, not {provenance!r}.")
        provenance = {}
    datalist = Datalist(
        name=str(head.get("name", "")),
        findings=tuple(findings),
        sections=sections,
        description=str(head.get("description", "")),
        provenance=provenance,
    )
    return datalist, found + parser.problems + problems(datalist)


def write_datalist(datalist: Datalist, path: Path) -> None:
    """Write a datalist, one item a line, so that a person can read and compare it.

    It appears under its name only when it is complete; an older file of that name is then replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.writelines(_lines(datalist))


def fingerprint(datalist: Datalist) -> str:
    """16 hexadecimal digits that change with the findings and the items' content, not with order or sections.

    Where the files lie has no say: paths count from the folder that holds all images, or all masks.
    """
    items = [item for items in datalist.sections.values() for item in items]
    image = _folder_length(item.image for item in items)
    mask = _folder_length(mask for item in items for mask in item.mask.values() if isinstance(mask, str))
    digest = hashlib.sha256(orjson.dumps(datalist.findings))
    digest.update(b"\n".join(sorted(_canonical(item, image, mask) for item in items)))
    return digest.hexdigest()[:16]


def split_fingerprint(datalist: Datalist) -> str:
    """16 hexadecimal digits that change with which image is in which section, and with nothing else.

    Paths count from the folder that holds all images, so that the same split is known wherever the files lie.
    """
    start = _folder_length(item.image for items in datalist.sections.values() for item in items)
    lines = [f"{item.image[start:]}\t{section}" for section, items in datalist.sections.items() for item in items]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def samples(datalist: Datalist, section: str, root: Path) -> list[dict[str, Any]]:
    """One dictionary an item of a section: what dictionary transforms start from.

    Args:
        datalist: as read.
        section: ``training``, ``validation`` or ``test``.
        root: the folder that the datalist's paths are relative to.

    Returns:
        Dictionaries with ``image`` (absolute path), ``name``, ``patient``, ``study``, ``view``, ``source`` (text),
        ``attributes`` (dict), ``label`` float32 (C,) of 1, 0, -1 uncertain, -2 not said or a certainty, ``annotated``
        bool (C,), ``boxes`` float32 (N, 4) as x, y, width, height in pixels of the stored image, ``box_finding`` int64
        (N,), ``mask`` a list of (index of the finding, absolute path or RunLengths).

    Raises:
        DatalistError: no such section, or nothing in it.
    """
    if section not in SECTIONS:
        raise DatalistError(f"{datalist.name}: no section {section!r}; there are {', '.join(SECTIONS)}.")
    items = datalist.sections.get(section, [])
    if not items:
        counts = ", ".join(f"{name} {len(datalist.sections.get(name, []))}" for name in SECTIONS)
        raise DatalistError(f"{datalist.name}: section {section!r} holds no item (items: {counts}).")
    place = {finding: index for index, finding in enumerate(datalist.findings)}
    base = root.resolve()
    return [_sample(item, place, base) for item in items]


def _sample(item: Item, place: dict[str, int], root: Path) -> dict[str, Any]:
    import numpy as np

    annotated = np.zeros(len(place), dtype=bool)
    annotated[[place[finding] for finding in item.annotated]] = True
    masks: list[tuple[int, str | RunLengths]] = [
        (place[finding], os.path.join(root, mask) if isinstance(mask, str) else mask)  # noqa: PTH118 - 10 times faster
        for finding, mask in item.mask.items()
    ]
    return {
        "image": os.path.normpath(os.path.join(root, item.image)),  # noqa: PTH118
        "name": item.image,
        "patient": item.patient,
        "study": item.study,
        "view": item.view,
        "source": item.source,
        "attributes": dict(item.attributes),
        "label": np.array(item.label, dtype=np.float32),
        "annotated": annotated,
        "boxes": _corners(item.boxes),
        "box_finding": np.array([place[box.finding] for box in item.boxes], dtype=np.int64),
        "mask": masks,
    }


def _corners(boxes: tuple[Box, ...]) -> np.ndarray:
    import numpy as np

    return np.array([box[1:5] for box in boxes], dtype=np.float32).reshape(-1, 4)


def _lines(datalist: Datalist) -> Iterator[bytes]:
    head = {"name": datalist.name, "description": datalist.description, "findings": datalist.findings}
    yield b"{\n"
    for key, value in (head | ({"provenance": datalist.provenance} if datalist.provenance else {})).items():
        yield b'"%s": %s,\n' % (key.encode(), orjson.dumps(value))
    for section in SECTIONS:
        yield b'"%s": [' % section.encode()
        before = b"\n"
        for item in datalist.sections.get(section, []):
            yield before + orjson.dumps(item_record(item))
            before = b",\n"
        yield b"\n]\n" if section == SECTIONS[-1] else b"\n],\n"
    yield b"}\n"


def _folder_length(paths: Iterable[str]) -> int:
    """How many characters at the start of all paths name the folder that they share."""
    names = sorted(set(paths))
    if not names:
        return 0
    # What the first and the last in order share, all between them share.
    pairs = zip(names[0].split("/")[:-1], names[-1].split("/")[:-1], strict=False)
    return sum(len(folder) + 1 for folder, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _canonical(item: Item, image_start: int, mask_start: int) -> bytes:
    record = item_record(item) | {"annotated": sorted(item.annotated), "image": item.image[image_start:]}
    if item.mask:
        masks = record["mask"].items()
        record["mask"] = {name: mask[mask_start:] if isinstance(mask, str) else mask for name, mask in masks}
    record["boxes"] = sorted([box.finding, *map(float, box[1:5]), box.reader] for box in item.boxes)
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def _read_by_line(path: Path, parser: ItemParser) -> tuple[dict[str, Any], dict[str, list[Item]]] | None:
    """Read the layout that :func:`write_datalist` writes, a line at a time; None where the file has another one.

    The records of 112,120 items at once would take 150 MB for a moment; line by line they take nothing.
    """
    head: list[bytes] = []
    sections: dict[str, list[Item]] = {section: [] for section in SECTIONS}
    section, comma = "", True
    try:
        with path.open("rb") as file:
            for line in map(bytes.rstrip, file):
                if not section:
                    section, comma = _SECTION_LINES.get(line, ""), True
                    head.append(line)
                elif line in (b"]", b"],"):
                    head.append(line)
                    section = ""
                elif not comma:
                    return None
                else:
                    comma = line.endswith(b",")
                    item = parser.item(strict_loads(line.removesuffix(b",")), section, len(sections[section]))
                    sections[section] += [item] if item is not None else []
        known = strict_loads(b"\n".join(head))
    except OSError as error:
        raise DatalistError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError:  # a value over several lines; or what is wrong, which reading the whole file names
        return None
    by_line = isinstance(known, dict) and not any(known.get(name) for name in SECTIONS)
    return (known, sections) if by_line else None


def _read_whole(path: Path, parser: ItemParser) -> tuple[dict[str, Any], dict[str, list[Item]]]:
    """Read any JSON layout."""
    parser.problems.clear()
    try:
        head = strict_loads(path.read_bytes())
    except ValueError as error:
        raise DatalistError(f"{path}: not a JSON file ({error}).") from error
    if not isinstance(head, dict):
        raise DatalistError(f"{path}: a datalist is a JSON object with {', '.join(HEAD_KEYS)}.")
    sections: dict[str, list[Item]] = {}
    for section in SECTIONS:
        records = head.get(section, [])
        if not isinstance(records, list):
            raise DatalistError(f"{path}: {section!r} must be a list of items.")
        items = (parser.item(record, section, index) for index, record in enumerate(records))
        sections[section] = [item for item in items if item is not None]
    return head, sections
