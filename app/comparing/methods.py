"""What is compared: single runs, or methods of several runs that differ by their seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.comparing.run_files import PREDICTIONS, RunFiles, open_run_files

SEEDS = "seed-*"
"""Folders of the runs of a study's cell."""
FEWEST, MOST = 2, 8


@dataclass(frozen=True)
class Method:
    """One run, or several of one method.

    Attributes:
        word: What names it on the command line.
        name: Of the group, the cell or the single run.
        runs: One or more.
    """

    word: str
    name: str
    runs: tuple[RunFiles, ...]

    def settings(self) -> dict[str, str]:
        """The settings of its runs; one that differs among them is ``varies``.

        Raises:
            ValueError: A ``config.yaml`` cannot be read as YAML.
        """
        first, *others = [run.settings() for run in self.runs]
        names = sorted({name for each in (first, *others) for name in each})
        return {
            name: first[name] if name in first and all(each.get(name) == first[name] for each in others) else "varies"
            for name in names
        }


def open_methods(
    words: Sequence[str], groups: Sequence[Sequence[str]] = (), look_up: bool = True
) -> tuple[Method, ...]:
    """Find the runs of everything that is compared.

    Args:
        words: Each names a run as for ``open_run_files``, or a folder whose ``seed-*`` folders are runs: a cell of a
            study.
        groups: Of each its name, then the words of its runs.
        look_up: As for ``open_run_files``.

    Raises:
        FileNotFoundError: A run is not there.
        ValueError: There are fewer than two or more than eight methods, single runs beside several, a run that counts
            twice, or two groups of one name.
    """
    methods = [_of_word(word, look_up) for word in words]
    for name, *runs in groups:
        if name in {method.name for method in methods}:
            raise ValueError(f"--group {name}: this name is taken already; give every group a name of its own")
        if not runs:
            raise ValueError(f"--group {name} names no run; write --group NAME RUN RUN ...")
        methods.append(Method(name, name, tuple(open_run_files(word, look_up) for word in runs)))
    if not FEWEST <= len(methods) <= MOST:
        raise ValueError(f"two to eight runs or groups can be compared, not {len(methods)}")
    _require_seeds(methods)
    return tuple(methods)


def _of_word(word: str, look_up: bool) -> Method:
    path = Path(word)
    cells = sorted(path.glob(SEEDS)) if path.is_dir() and not (path / PREDICTIONS).is_file() else []
    if cells:
        return Method(word, path.absolute().name, tuple(open_run_files(str(cell), look_up) for cell in cells))
    run = open_run_files(word, look_up)
    return Method(word, run.name, (run,))


def _require_seeds(methods: Sequence[Method]) -> None:
    """Raise if some methods have one run and others several, or if a run counts twice."""
    single = [method.name for method in methods if len(method.runs) == 1]
    if len(single) == len(methods):
        return
    if single:
        raise ValueError(
            f"{', '.join(single)}: one run, but others have several. How much seeds matter has to be known of every "
            "method: give each two runs or more, better three, or compare single runs"
        )
    seen: dict[Path, str] = {}
    for run in (run for method in methods for run in method.runs):
        path = run.predictions.resolve()
        if path in seen:
            raise ValueError(f"{run.word}: the same run as {seen[path]}; every run may count once")
        seen[path] = run.word
