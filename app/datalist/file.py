"""Read and write datalist files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from app.datalist.form import ItemParser, item_record
from app.datalist.garbage import without_garbage_collection
from app.datalist.item import SECTIONS, Datalist, Item
from app.datalist.validate import DatalistError, problems, report
from app.files.atomic import whole_file
from app.files.image_names import relative_to
from app.files.strict_json import strict_loads

__all__ = ["DatalistError", "moved", "parse_datalist", "read_datalist", "write_datalist"]

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


def moved(datalist: Datalist, old: Path, new: Path) -> Datalist:
    """A datalist read from the file ``old``, with its files named relative to ``new``, where it will be written."""
    before, after = old.parent.resolve(), new.parent.resolve()
    if before == after:
        return datalist

    def path(name: str) -> str:
        return relative_to(Path(os.path.normpath(before / name)), after)

    sections = {
        section: [
            replace(
                item,
                image=path(item.image),
                mask={finding: path(mask) if isinstance(mask, str) else mask for finding, mask in item.mask.items()},
            )
            for item in items
        ]
        for section, items in datalist.sections.items()
    }
    return replace(datalist, sections=sections)


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
