"""How much there is to do in a run of a sweep: images, epochs and pixels, from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.checking.files import load
from app.datalist.file import read_datalist
from app.sweeps.cell_run import CellRun
from app.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from app.sweeps.cell_data import CellData

EVALUATING = "evaluating"


class Work(NamedTuple):
    """What decides how long a training takes: images that pass the network in an epoch, epochs, and pixels an image.

    An image of validation takes about as long as one of training: it needs no gradients, but its maps are measured.
    """

    training: int
    validation: int
    epochs: int
    pixels: int

    @property
    def amount(self) -> float:
        """Proportional to the seconds of all epochs."""
        return float((self.training + self.validation) * self.epochs * self.pixels)


class WorkOf:
    """Tells the work of each run.

    Args:
        sweep: The sweep.
        data: What makes its datalists; None if configs name them.
    """

    def __init__(self, sweep: Sweep, data: CellData | None) -> None:
        self.sweep = sweep
        self.data = data
        self.config = load(sweep.configs, trust=True).config
        self._sections: dict[str, tuple[int, int]] = {}

    def __call__(self, run: CellRun) -> Work:
        """The work of a run; no epochs if it only evaluates."""
        values = {**self.config, **run.cell.overrides}
        is_training = (run.cell.run_id or self.sweep.run_id) != EVALUATING
        training, validation = self._images(run, values)
        epochs = _number(values.get("max_epochs")) if is_training else 0
        return Work(training, validation, epochs, _number(values.get("image_size")) ** 2)

    def _images(self, run: CellRun, values: Mapping[str, Any]) -> tuple[int, int]:
        """Images of the training and validation sections; of phantoms that a config asks for, their number."""
        if self.data is not None and self.sweep.base_of(run.cell):
            sizes = self.data.base_sizes(run.cell)
            if self.sweep.folds is not None:
                used = sum(sizes.values()) * (1 - 1 / self.sweep.folds.count)
                held_out = round(used * self.sweep.folds.validation)
                return training_images(run.cell.data, round(used) - held_out), held_out
            return training_images(run.cell.data, sizes["training"]), sizes["validation"]
        path, phantoms = values.get("datalist"), values.get("phantoms")
        if isinstance(path, str) and Path(path).is_file():
            if path not in self._sections:
                self._sections[path] = _section_sizes(Path(path))
            return self._sections[path]
        return (_number(phantoms.get("count")) if isinstance(phantoms, Mapping) else 1), 0


def training_images(steps: Mapping[str, Any], count: int) -> int:
    """About how many of ``count`` training images the steps of a study file leave.

    Example:
        >>> training_images({"images": 100}, 560), training_images({"patients": 0.5, "level": "box"}, 560)
        (100, 280)
        >>> training_images({"mix": {"outline": 50, "image": 400}}, 560)
        450
    """
    if "images" in steps:
        count = min(count, int(steps["images"]))
    if "patients" in steps:
        count = round(count * float(steps["patients"]))
    mixed = [str(number) for number in steps.get("mix", {}).values()]
    return count if not mixed or "rest" in mixed else min(count, sum(map(int, mixed)))


def _section_sizes(path: Path) -> tuple[int, int]:
    try:
        sections = read_datalist(path).sections
    except ValueError:
        return 1, 0  # the run will say what is wrong
    return len(sections["training"]), len(sections["validation"])


def _number(value: object) -> int:
    """A whole number of a config; 1 for an expression, which is the same in all cells or not known."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 1
