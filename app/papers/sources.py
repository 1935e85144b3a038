"""Reading where the numbers of a table are: for each printed cell, a row and column of a study's or a command's CSV."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from app.papers.declaration import NO_CELL, Place, PrintedTable, Source
from app.sweeps.fields import as_mapping, as_text, as_texts, matches, require_known
from app.sweeps.sweep import Sweep

KEYS = ("absent", "study", "commands", "file", "metric", "value", "at", "rows", "columns", "note", "pictures")
OWN = ("study", "file", "metric", "value")
"""Keys of a row or column that are no column of a CSV file."""
TABLE = "table.csv"
MEAN = "mean"
SECONDS = "seconds"


def parse_source(given: object, table: PrintedTable, sweep_of: Callable[[str], Sweep], where: str) -> Source:
    """Read where one size has a table's numbers.

    Args:
        given: As a declaration has it.
        table: The table, whose sources do not matter.
        sweep_of: Gives the sweep of a study by its name.
        where: For messages.

    Raises:
        ValueError: Something is unknown, or a cell's place is not clear.
    """
    content = as_mapping(given, where, KEYS)
    if isinstance(content.get("absent"), str):
        return _absent(content, where)
    commands, file = _commands(content, where)
    pictures = _pictures(content, where)
    keys = _Keys(content, table, where)
    if not commands and not keys.name_a_study and not pictures:
        raise ValueError(f"{where}: give 'study', 'commands' with their 'file', 'pictures', or 'absent' with a reason.")
    lacking = _lacking(content.get("absent"), table, where)
    places = {
        (row, column): _place(keys.of(row, column), sweep_of, bool(commands), f"{where}: {row} / {column}")
        for row, column in itertools.product(table.rows, table.columns)
        if commands or keys.name_a_study
        if (row, column) not in lacking and table.rows[row][column].text != NO_CELL
    }
    names = [keys.of(*cell).get("study", "") for cell in places]
    return Source(
        studies=tuple(dict.fromkeys(name for name in names if name)),
        commands=commands,
        file=file,
        places=places,
        lacking=lacking,
        note=as_text(content.get("note", "")),
        pictures=pictures,
    )


def require_own_command(command: str, where: str) -> None:
    """Raise ValueError unless a text is a command of ours."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{where}: {command!r} cannot be read as a command ({error}).") from error
    if words[:1] != ["frugal"] or len(words) < 2:
        raise ValueError(f"{where}: {command!r} is no command of ours; they begin with 'frugal'.")


class _Keys:
    """The keys of a cell: those of the source, its row and its column, with names filled in."""

    def __init__(self, content: Mapping[str, Any], table: PrintedTable, where: str) -> None:
        self.where = where
        self.common = {key: as_text(content[key]) for key in OWN if key in content}
        self.common |= {key: as_text(value) for key, value in as_mapping(content.get("at"), f"{where}: at").items()}
        self.rows = self._entries(content.get("rows"), tuple(table.rows), "rows")
        self.columns = self._entries(content.get("columns"), table.columns, "columns")

    @property
    def name_a_study(self) -> bool:
        """Whether the source, a row or a column names one."""
        return any("study" in keys for keys in (self.common, *self.rows.values(), *self.columns.values()))

    def of(self, row: str, column: str) -> dict[str, str]:
        """All keys of a cell."""
        of_row, of_column = self.rows.get(row, {}), self.columns.get(column, {})
        twice = sorted(of_row.keys() & of_column.keys())
        if twice:
            raise ValueError(f"{self.where}: row {row!r} and column {column!r} both set {twice[0]!r}.")
        keys = self.common | of_row | of_column
        return {key: value.replace("{row}", row).replace("{column}", column) for key, value in keys.items()}

    def _entries(self, given: object, known: Sequence[str], key: str) -> dict[str, dict[str, str]]:
        entries = as_mapping(given, f"{self.where}: {key}", known)
        return {
            name: {
                as_text(inner): as_text(value) for inner, value in as_mapping(entry, f"{self.where}: {name}").items()
            }
            for name, entry in entries.items()
        }


def _absent(content: Mapping[str, Any], where: str) -> Source:
    if not content["absent"]:
        raise ValueError(f"{where}: absent: must say why.")
    others = sorted(content.keys() - {"absent"})
    if others:
        raise ValueError(f"{where}: 'absent' says why nothing is there; leave out {', '.join(others)}.")
    return Source(absent=content["absent"])


def _commands(content: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], str]:
    """The commands and the file that they write; without commands, no file."""
    commands = as_texts(content.get("commands", []), f"{where}: commands")
    for command in commands:
        require_own_command(command, f"{where}: commands")
    file = _below(content["file"], f"{where}: file") if "file" in content else ""
    if commands and not file:
        raise ValueError(f"{where}: 'commands' need 'file', which they write.")
    return commands, file if commands else ""


def _pictures(content: Mapping[str, Any], where: str) -> tuple[str, ...]:
    pictures = as_texts(content.get("pictures", []), f"{where}: pictures")
    if not all(picture.endswith(".png") for picture in pictures):
        raise ValueError(f"{where}: pictures: must be PNG files, not {', '.join(pictures)}.")
    return tuple(_below(picture, f"{where}: pictures") for picture in pictures)


def _place(keys: Mapping[str, str], sweep_of: Callable[[str], Sweep], is_command: bool, where: str) -> Place:
    conditions = {key: value for key, value in keys.items() if key not in OWN}
    if is_command:
        if "study" in keys or "metric" in keys:
            raise ValueError(
                f"{where}: 'study' and 'metric' do not go with 'commands'; 'value' names the column to read."
            )
        return _in_file(keys["file"], keys, conditions, where)
    if "study" not in keys:
        raise ValueError(f"{where}: no 'study' is named for it.")
    sweep = sweep_of(keys["study"])
    file = _below(keys.get("file", TABLE), where)
    if file != TABLE:
        return _in_file(f"{sweep.name}/{file}", keys, conditions, where)
    metrics = (*sweep.metrics, *(ordering.metric for ordering in sweep.orderings))
    require_known([keys.get("metric", "")], metrics, f"{where}: metrics that {keys['study']} reports")
    require_known(conditions, tuple(sweep.factors), f"{where}: factors of {keys['study']}")
    for factor, value in conditions.items():
        require_known([value], sweep.factors[factor], f"{where}: values of {factor} in {keys['study']}")
    pattern = {factor: (value,) for factor, value in conditions.items()}
    cells = sum(matches(cell.values, pattern) for cell in sweep.cells)
    if cells != 1:
        left = [factor for factor in sweep.factors if factor not in conditions and len(sweep.factors[factor]) > 1]
        hint = f"; say also which {' and '.join(left)}" if cells and left else ""
        raise ValueError(f"{where}: {cells} cells of {keys['study']} match {conditions}{hint}.")
    value = keys.get("value", MEAN)
    limits = ("lower", "upper") if value == MEAN else ("", "")
    conditions["metric"] = keys["metric"]
    return Place(f"{sweep.name}/{TABLE}", conditions, value, limits, is_repeated=value == MEAN)


def _in_file(file: str, keys: Mapping[str, str], conditions: Mapping[str, str], where: str) -> Place:
    if "value" not in keys:
        raise ValueError(f"{where}: 'value' must name the column of {file} to read.")
    value = keys["value"]
    return Place(file, conditions, value, (f"{value}_lower", f"{value}_upper"))


def _lacking(given: object, table: PrintedTable, where: str) -> dict[tuple[str, str], str]:
    """The reason for each cell that a size lacks; it names a row, a column, or ``ROW / COLUMN``."""
    cells: dict[str, list[tuple[str, str]]] = {}
    for row, column in itertools.product(table.rows, table.columns):
        for name in (row, column, f"{row} / {column}"):
            cells.setdefault(name, []).append((row, column))
    reasons = as_mapping(given, f"{where}: absent", tuple(cells))
    return {cell: as_text(reason) for name, reason in reasons.items() for cell in cells[name]}


def _below(given: object, where: str) -> str:
    """A path that stays below the folder of results."""
    path = PurePosixPath(given) if isinstance(given, str) else PurePosixPath("/")
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{where}: must be a path below the folder of results, not {given!r}.")
    return str(path)
