"""Read and write datalist files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from app.datalist.item import SECTIONS, Datalist, Item
from app.datalist.records import RecordReader, item_record
from app.datalist.validate import DatalistError, problems, report
from app.files.atomic import whole_file
from app.files.image_names import relative_to
from app.files.strict_json import strict_loads
from app.garbage import without_garbage_collection

__all__ = ["DatalistError", "moved", "parse_datalist", "read_datalist", "write_datalist"]

HEAD_KEYS = ("name", "description", "findings", "provenance", *SECTIONS)
_SECTION_LINES = {f'"{section}": ['.encode(): section for section in SECTIONS}


def read_datalist(path: Path) -> Datalist:
    """Read a datalist, and refuse it if its text alone shows that something is wrong.

    The files that it names are not opened: see :func:`app.datalist.validate.validate`.

    Raises:
        DatalistError: The file is missing, is no datalist or has problems; counts them all and lists the first 20.
    """
    datalist, faults = parse_datalist(path)
    if faults:
        raise report(str(path), faults)
    return datalist


def parse_datalist(path: Path) -> tuple[Datalist, list[str]]:
    """Read as much of a datalist as possible, and list every problem that its text shows.

    Raises:
        DatalistError: The file is missing, is not JSON or has no list of findings.
    """
    reader = RecordReader()
    with without_garbage_collection():
        head, sections = _read_by_line(path, reader) or _read_whole(path, reader)
    findings = head.get("findings")
    if not isinstance(findings, list) or not findings or not all(isinstance(name, str) for name in findings):
        raise DatalistError(f"{path}: 'findings' must be a list of one name or more, not {findings!r}.")
    faults = [f"unknown key {key!r}. Known: {', '.join(HEAD_KEYS)}." for key in head if key not in HEAD_KEYS]
    provenance = head.get("provenance") or {}
    if not isinstance(provenance, dict):
        faults.append(f"'provenance' must be an object, not {provenance!r}.")
        provenance = {}
    name, description = str(head.get("name", "")), str(head.get("description", ""))
    datalist = Datalist(name, tuple(findings), sections, description, provenance)
    return datalist, faults + reader.problems + problems(datalist)


def write_datalist(datalist: Datalist, path: Path) -> None:
    """Write a datalist, one item a line, so that people can read and compare it.

    The file appears under its name only when it is complete; it replaces an older one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.writelines(_lines(datalist))


def moved(datalist: Datalist, old: Path, new: Path) -> Datalist:
    """Rename the images and masks of a datalist that was read from the file ``old`` and will be written to ``new``."""
    before, after = old.parent.resolve(), new.parent.resolve()
    if before == after:
        return datalist

    def path(name: str) -> str:
        return relative_to(Path(os.path.normpath(before / name)), after)

    def move(item: Item) -> Item:
        mask = {finding: path(mask) if isinstance(mask, str) else mask for finding, mask in item.mask.items()}
        return replace(item, image=path(item.image), mask=mask)

    return datalist.mapped(move)


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


def _read_by_line(path: Path, reader: RecordReader) -> tuple[dict[str, Any], dict[str, list[Item]]] | None:
    """Read the layout of :func:`write_datalist` line by line; None if the file has another layout.

    Reading 112,120 records at once would take 150 MB for a moment; line by line takes none.
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
                    item = reader.item(strict_loads(line.removesuffix(b",")), section, len(sections[section]))
                    sections[section] += [item] if item is not None else []
        known = strict_loads(b"\n".join(head))
    except OSError as error:
        raise DatalistError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError:  # either a value over several lines, or an error, which reading the whole file names
        return None
    by_line = isinstance(known, dict) and not any(known.get(name) for name in SECTIONS)
    return (known, sections) if by_line else None


def _read_whole(path: Path, reader: RecordReader) -> tuple[dict[str, Any], dict[str, list[Item]]]:
    """Read any JSON layout."""
    reader.problems.clear()
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
        items = (reader.item(record, section, index) for index, record in enumerate(records))
        sections[section] = [item for item in items if item is not None]
    return head, sections
