"""A sweep: which runs of a bundle a study file asks for, and what its report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.installed import find_config
from app.sweeps.orderings import Ordering


@dataclass(frozen=True)
class Cell:
    """One combination of factor values.

    Attributes:
        values: The name of the value of each factor, in the order of the factors.
        overrides: Config overrides: the fixed ones and those of the values.
        data: Steps that make the training section, such as ``{"images": 100}``.
        base: What its datalist is made from; None for the sweep's, and empty if its config names one.
        run_id: The workflow that it runs; empty for the sweep's.
        resources: What it claims of a machine, as far as the study file says: ``cpus``, ``gpus``, ``memory`` in bytes.
            It does not count as a setting: where a cell runs does not change its result.
    """

    values: Mapping[str, str]
    overrides: Mapping[str, Any]
    data: Mapping[str, Any]
    base: Mapping[str, Any] | None = None
    run_id: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the cell and its folder: ``level=contour,size=100``."""
        return cell_name(self.values)


def cell_name(values: Mapping[str, str]) -> str:
    """The name of the cell with these factor values.

    Example:
        >>> cell_name({"level": "contour", "size": "100"}), cell_name({})
        ('level=contour,size=100', 'all')
    """
    return ",".join(f"{factor}={value}" for factor, value in values.items()) or "all"


@dataclass(frozen=True)
class Folds:
    """Cross-validation in place of seeds; see ``app.datalist.splitting.folds``."""

    count: int
    located_only: bool = False
    validation: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Selection:
    """How the best cells are chosen.

    Attributes:
        metric: Path of a validation metric in ``model.json``.
        over: The factors to choose over; one cell is chosen for each combination of the others.
    """

    metric: str
    over: tuple[str, ...]

    @property
    def is_loss(self) -> bool:
        """Whether the smallest value is the best."""
        return self.metric.endswith("loss")


@dataclass(frozen=True)
class CellPair:
    """Two cells that are compared on the images that both tested.

    Attributes:
        factor: The factor in which they differ.
        first: The reference.
        second: The difference is of this one from the reference.
        group: Pairs of one group are corrected together for their number.
    """

    factor: str
    first: Mapping[str, str]
    second: Mapping[str, str]
    group: int = 0


@dataclass(frozen=True)
class Sweep:
    """The content of a study file.

    Attributes:
        bundle: Config files or bundles, as the study file names them; the bundle's own first.
        run_id: The workflow that MONAI runs, such as ``training``.
        base: What the datalists of the cells are made from; empty if the study file has no ``data``.
        factors: Names of the values of each factor.
        cells: The combinations that run.
        replicates: Seeds, or numbers of folds.
        folds: How folds are made; None for seeds.
        metrics: Paths into ``metrics.json``.
        comparisons: Cells that are compared on the same images.
        trust: Whether the user allows configs to run code.
    """

    name: str
    bundle: tuple[str, ...]
    run_id: str
    base: Mapping[str, Any]
    factors: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    replicates: tuple[int, ...]
    folds: Folds | None
    metrics: tuple[str, ...]
    orderings: tuple[Ordering, ...] = ()
    select: Selection | None = None
    comparisons: tuple[CellPair, ...] = ()
    trust: bool = False

    @property
    def configs(self) -> list[Path]:
        """The config files of the bundle."""
        return [find_config(each) for each in self.bundle]

    @property
    def replicate_word(self) -> str:
        """``seed`` or ``fold``."""
        return "seed" if self.folds is None else "fold"

    def base_of(self, cell: Cell) -> Mapping[str, Any]:
        """What a cell's datalist is made from; empty if its config names one."""
        return self.base if cell.base is None else cell.base

    def seed_of(self, replicate: int) -> int:
        """The override ``seed`` of a run; all folds share one."""
        return replicate if self.folds is None else self.folds.seed
