"""Overrides of a cell that name what another cell of the same sweep leaves: weights to start from, predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from app.sweeps.fields import as_mapping, as_text, require_known
from app.sweeps.orderings import Values
from app.sweeps.sweep import Cell, cell_name

CELL = "cell"
KEYS = (CELL, "file", "seeds")
WEIGHTS = "model.pt"
EVERY_SEED = "all"


@dataclass(frozen=True)
class CellFile:
    """A file in the output folder of another cell with the same seed or fold.

    Attributes:
        values: The factor values of that cell.
        name: The file's name.
        of_every_seed: Whether it stands for the list of these files of all seeds, such as the members of an ensemble.
    """

    values: Values
    name: str = WEIGHTS
    of_every_seed: bool = False


def with_cell_files(overrides: Mapping[str, Any], values: Values, where: str) -> dict[str, Any]:
    """Overrides in which each ``{cell: ...}``, by itself or in a list, is a `CellFile`; other values stay.

    Args:
        overrides: As a study file has them.
        values: The factor values of the cell; those that ``{cell: ...}`` does not name are the same in both.
        where: For messages.

    Raises:
        ValueError: A key, factor or file is none.

    Example:
        >>> given = {"start_from": {"cell": {"model": "first"}}, "seed": 0}
        >>> with_cell_files(given, {"model": "second", "size": "100"}, "model=second")["start_from"]
        CellFile(values={'model': 'first', 'size': '100'}, name='model.pt', of_every_seed=False)
    """

    def named(value: Any, key: str) -> Any:  # noqa: ANN401 - an override
        if isinstance(value, list):
            return [named(each, key) for each in value]
        is_named = isinstance(value, dict) and CELL in value
        return _cell_file(value, values, f"{where}: {key}") if is_named else value

    return {key: named(value, key) for key, value in overrides.items()}


def with_paths(value: Any, path: Callable[[CellFile], Any]) -> Any:  # noqa: ANN401 - an override
    """The value of an override with each `CellFile` in it replaced; those of every seed join the others of a list."""
    if isinstance(value, CellFile):
        return path(value)
    if not isinstance(value, list):
        return value
    replaced: list[Any] = []
    for each in value:
        new = with_paths(each, path)
        replaced += new if isinstance(each, CellFile) and isinstance(new, list) else [new]
    return replaced


def cell_files(cell: Cell) -> list[CellFile]:
    """The files of other cells that a cell's overrides name."""
    files: list[CellFile] = []
    for value in cell.overrides.values():
        with_paths(value, files.append)
    return files


def runs_once(cell: Cell) -> bool:
    """Whether a cell takes files of every seed, so that it is the same whatever its own seed."""
    return any(file.of_every_seed for file in cell_files(cell))


def require_cells(cells: Sequence[Cell], has_folds: bool) -> None:
    """Raise if a cell needs one that does not run or, through others, itself.

    Args:
        cells: All that run.
        has_folds: Whether the sweep has folds in place of seeds.

    Raises:
        ValueError: Names the cells.
    """
    needed = {cell.name: [cell_name(file.values) for file in cell_files(cell)] for cell in cells}
    for cell in cells:
        if has_folds and runs_once(cell):
            raise ValueError(
                f"{cell.name}: 'seeds: all' needs seeds; the model of a fold has seen other folds' images."
            )
        for name in needed[cell.name]:
            if name not in needed:
                raise ValueError(f"{cell.name} needs the cell {name}, which does not run.")
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        raise ValueError(f"these cells need each other: {' <- '.join(error.args[1])}.") from error


def _cell_file(given: Mapping[str, Any], values: Values, where: str) -> CellFile:
    content = as_mapping(dict(given), where, KEYS)
    other = {factor: as_text(value) for factor, value in as_mapping(content[CELL], f"{where}: cell").items()}
    require_known(other, tuple(values), f"{where}: cell")
    name, seeds = content.get("file", WEIGHTS), content.get("seeds")
    if not isinstance(name, str) or "/" in name or name.startswith("."):
        raise ValueError(f"{where}: 'file' must be a file of a cell's folder, such as predictions.csv, not {name!r}.")
    if seeds not in (None, EVERY_SEED):
        raise ValueError(f"{where}: 'seeds' must be 'all', not {seeds!r}; without it, the same seed is meant.")
    return CellFile({**values, **other}, name, seeds is not None)
