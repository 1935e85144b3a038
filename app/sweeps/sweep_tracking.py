"""Sweeps in MLflow: tags on the runs of cells, and a parent run that holds the tables and pictures."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.tracking import Run, TrackingError, head_of_folder, run_of_folder

if TYPE_CHECKING:
    from app.sweeps.cell_run import CellRun
    from app.sweeps.outcomes import Outcomes

logger = logging.getLogger(__name__)


def tag_cell_run(run: CellRun, sweep: str) -> None:
    """Tag a finished run with its sweep and cell. If the store does not answer, warn: the run has finished anyway."""
    try:
        stored = run_of_folder(run.folder)
        if stored is not None:
            tags = {"study": sweep, "cell": run.cell.name, "replicate": str(run.replicate)}
            stored.add({f"frugal.{name}": value for name, value in tags.items()})
    except TrackingError as error:
        logger.warning(f"{run.folder}: the run could not be tagged with its study: {error}")


def log_sweep(outcomes: Outcomes, folder: Path, files: Sequence[Path]) -> str:
    """Log tables and pictures to a run with the sweep's name, and make it the parent of the cells' runs.

    The parent is opened in the experiment of the cells when the sweep is first logged, and resumed later.

    Returns:
        A sentence for the user.

    Raises:
        TrackingError: The store refuses.
    """
    stored = [run_of_folder(path) for path in sorted(folder.glob("cells/*/*"))]
    cells = [run for run in stored if run is not None]
    if not cells:
        return "no run of a cell is in MLflow: nothing logged"
    name = outcomes.sweep.name
    with Run(cells[0].experiment, name, folder=folder, resume=_earlier_parent(folder)) as parent:
        parent.tags({"workflow": "study", "frugal.study": name})
        for result in outcomes.results:
            if not math.isnan(result.mean.value):
                parent.metrics({f"{result.metric}.{result.cell.name}": result.mean.value}, step=0)
        for path in files:
            parent.artifact(path)
        parent_id, name = parent.id, parent.name
    for cell in cells:
        cell.add({"mlflow.parentRunId": parent_id})
    return f"logged to run {name} ({parent_id})"


def _earlier_parent(folder: Path) -> str | None:
    """The id of the run that the sweep was logged to before, if any."""
    try:
        head = head_of_folder(folder, "A new run is opened for the study.")
    except TrackingError as error:
        logger.warning(str(error))
        return None
    return head["run"] if head else None
