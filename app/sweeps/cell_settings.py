"""What is wrong with the settings of a sweep's cells, before the first one runs."""

from __future__ import annotations

from collections.abc import Iterator

from app.checking.expressions import check_expressions
from app.checking.files import COMMAND_LINE, load
from app.checking.structure import check_structure
from app.checking.targets import check_targets
from app.checking.values import check_values
from app.sweeps.cell_files import with_paths
from app.sweeps.sweep import Cell, Sweep


def require_settings(sweep: Sweep) -> None:
    """Raise if a cell's settings are none, as its run would, but before hours of other cells.

    Each value of a setting is looked at once, in the first cell that has it. Files are not looked at: other cells may
    have to write them first.

    Raises:
        ValueError: A line for each problem, with the first cell that has it.
    """
    problems: dict[str, str] = {}
    for cell in _with_new_values(sweep):
        run_id = cell.run_id or sweep.run_id
        overrides = {
            name: with_paths(value, lambda file: [file.name] if file.of_every_seed else file.name)
            for name, value in cell.overrides.items()
        }
        merged = load(sweep.configs, overrides, trust=True)
        check_structure(merged.config, merged.problems, run_id)
        check_targets(merged.config, merged.problems)
        check_expressions(merged.config, merged.problems)
        check_values(merged.config, merged.defaults, merged.problems)
        for problem in merged.problems.problems:
            problems.setdefault(str(problem).removeprefix(f"{COMMAND_LINE}: "), cell.name)
    if problems:
        lines = [f"  {name}: {problem}" for problem, name in problems.items()]
        raise ValueError("\n".join(["this study cannot run, nothing was done:", *lines]))


def _with_new_values(sweep: Sweep) -> Iterator[Cell]:
    """The cells that have a value of a setting that no cell before them has."""
    seen: set[tuple[str, str]] = set()
    for cell in sweep.cells:
        values = {(name, repr(value)) for name, value in cell.overrides.items()} | {("run", cell.run_id)}
        if not values <= seen:
            seen |= values
            yield cell
