"""Reading the declaration of a bundle's paper, ``docs/paper.yaml``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.checking.documents import read_document
from app.checking.trust import is_trusted
from app.installed import bundle_names, bundles_folder, find_bundle, find_study, short_name
from app.nearest import did_you_mean
from app.papers.claims import parse_claim
from app.papers.declaration import Paper, Printed, PrintedTable, Source
from app.papers.printed import parse_printed
from app.papers.sources import parse_source, require_own_command
from app.sweeps.fields import as_mapping, as_name, as_text, as_texts
from app.sweeps.study_file import read_sweep
from app.sweeps.sweep import Sweep

FILE = "docs/paper.yaml"
"""Of a bundle."""
PAGE = "docs/paper.md"
KEYS = ("name", "title", "reference", "sizes", "needs", "tables")
TABLE_KEYS = ("title", "columns", "rows", "spread", "times", "draw", "claims")


def paper_files() -> list[Path]:
    """The declarations that come with this installation, sorted by bundle."""
    return [path for name in bundle_names() if (path := bundles_folder() / name / FILE).is_file()]


def find_paper(paper: str) -> Path:
    """The declaration of a paper.

    Args:
        paper: The bundle that implements it, as for ``find_bundle``, or the paper's short name.

    Raises:
        FileNotFoundError: There is none; lists those that there are.
    """
    files = paper_files()
    names = {as_text(read_document(path, fast=True).get("name")): path for path in files}
    bundles = {path.parents[1].name: path for path in files}
    if paper in names or paper in bundles:
        return (bundles | names)[paper]
    try:
        path = find_bundle(paper) / FILE
    except FileNotFoundError:
        path = None
    if path is None or not path.is_file():
        known = [*bundles, *names]
        raise FileNotFoundError(f"{paper}: no such paper.{did_you_mean(paper, known)} There are: {', '.join(known)}.")
    return path


def read_paper(path: Path) -> Paper:
    """Read a declaration.

    Raises:
        ValueError: It breaks a rule; names the file, the key and what is allowed.
    """
    content = read_document(path, fast=is_trusted(path))
    try:
        return _Reader(path, as_mapping(content, "a paper's declaration", KEYS)).paper()
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{short_name(path)}: {error}") from error


class _Reader:
    """Reads one declaration; its studies are read once."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path = path
        self.content = content
        self.sweeps: dict[str, Sweep] = {}
        self.sweep_needs: dict[str, tuple[str, ...]] = {}
        self.sizes = {size: as_text(text) for size, text in as_mapping(content.get("sizes"), "sizes").items()}
        self.needs = {file: _need(given, file) for file, given in as_mapping(content.get("needs"), "needs").items()}

    def paper(self) -> Paper:
        """The paper."""
        for key in ("title", "reference", "sizes", "tables"):
            if not self.content.get(key):
                raise ValueError(f"{key}: is missing.")
        given = as_mapping(self.content["tables"], "tables")
        tables = {name: self._table(name, each) for name, each in given.items()}
        for name, each in given.items():
            claims = each.get("claims") or []
            if not isinstance(claims, list):
                raise ValueError(f"{name}: claims: must be a list, not {claims!r}.")
            read = (parse_claim(claim, name, tables, f"{name}: claim {n}") for n, claim in enumerate(claims, start=1))
            tables[name] = replace(tables[name], claims=tuple(read))
        return Paper(
            path=self.path,
            bundle=self.path.parents[1].name,
            name=as_name(self.content.get("name"), "name"),
            title=as_text(self.content["title"]),
            reference=as_text(self.content["reference"]),
            sizes=self.sizes,
            needs=self.needs,
            tables=tables,
            sweeps=self.sweeps,
            sweep_needs=self.sweep_needs,
        )

    def _table(self, name: str, given: object) -> PrintedTable:
        content = as_mapping(given, name, (*TABLE_KEYS, *self.sizes))
        times, is_drawn = content.get("times", 1), content.get("draw", False)
        if isinstance(times, bool) or not isinstance(times, int | float) or not 0 < times < math.inf:
            raise ValueError(f"{name}: times: must be a number above 0, not {times!r}.")
        if not isinstance(is_drawn, bool):
            raise ValueError(f"{name}: draw: must be true or false, not {is_drawn!r}.")
        table = PrintedTable(
            name=name,
            title=as_text(content.get("title", "")),
            rows=_printed_rows(content, name),
            spread=as_text(content.get("spread", "")),
            times=float(times),
            is_drawn=is_drawn,
            sources={},
            claims=(),
        )
        missing = [size for size in self.sizes if size not in content]
        if missing:
            raise ValueError(f"{name}: says nothing for the size {missing[0]!r}; if it has nothing, write absent: WHY.")
        return replace(table, sources={size: self._source(content[size], table, size) for size in self.sizes})

    def _source(self, given: object, table: PrintedTable, size: str) -> Source:
        return parse_source(given, table, self._sweep, f"{table.name}: {size}")

    def _sweep(self, study: str) -> Sweep:
        if study not in self.sweeps:
            path = find_study(study)
            self.sweeps[study] = read_sweep(path, trust=True)  # to be read; `frugal study` asks again before it runs
            content = read_document(path, fast=is_trusted(path))
            unknown = sorted(set(_datalists(content)) - set(self.needs))
            if unknown:
                raise ValueError(f"needs: the study {study} reads {unknown[0]}; say under 'needs' how to get it.")
            texts = set(_texts(content))
            self.sweep_needs[study] = tuple(file for file in self.needs if file in texts)
        return self.sweeps[study]


def _printed_rows(content: Mapping[str, Any], name: str) -> dict[str, dict[str, Printed]]:
    given = content.get("columns")
    columns = [as_text(column) for column in given] if isinstance(given, list) else []
    if not columns or len(set(columns)) < len(columns):
        raise ValueError(f"{name}: columns: must list names, each once, not {given!r}.")
    rows = as_mapping(content.get("rows"), f"{name}: rows")
    if not rows:
        raise ValueError(f"{name}: rows: is missing.")
    printed = {}
    for row, cells in rows.items():
        if not isinstance(cells, list) or len(cells) != len(columns):
            raise ValueError(
                f"{name}: row {row!r}: must list {len(columns)} cells, one for each column, not {cells!r}."
            )
        where = [f"{name}: {row} / {column}" for column in columns]
        printed[row] = {c: parse_printed(cell, w) for c, cell, w in zip(columns, cells, where, strict=True)}
    return printed


def _need(given: object, file: str) -> str | tuple[str, ...]:
    if isinstance(given, str):
        return given
    commands = as_texts(given, f"needs: {file}")
    if not commands:
        raise ValueError(f"needs: {file}: say how to get it, or list the commands that make it.")
    for command in commands:
        require_own_command(command, f"needs: {file}")
    return commands


def _texts(content: object) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        yield from itertools.chain.from_iterable(
            map(_texts, content.values() if isinstance(content, dict) else content)
        )


def _datalists(content: object) -> Iterator[str]:
    """Every file that a document names as a datalist."""
    if isinstance(content, dict):
        if isinstance(content.get("datalist"), str):
            yield content["datalist"]
        for value in content.values():
            yield from _datalists(value)
