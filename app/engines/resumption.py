"""How a launch resumes the training in its folder: from which checkpoint, with which settings, and whether it must."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.engines.measures import Metrics
from app.engines.output_folder import REPORT
from app.engines.processes import from_main, is_main
from app.engines.results import read_results
from app.engines.resuming import Checkpoints, require_same
from app.tracking import head_of_folder

logger = logging.getLogger(__name__)

FACTS = frozenset(("data", "excluded training files", "key_metric", "processes", "seed"))
"""What decides the outcome of a training and is known even if its config is not."""


def checkpoint_to_resume(
    checkpoints: Checkpoints, settings: Mapping[str, str], max_epochs: int
) -> dict[str, Any] | None:
    """The newest checkpoint of the training to resume, in all processes; None if there is none.

    Args:
        checkpoints: In the folder of the launch.
        settings: What decides the outcome of the training; nothing but `FACTS` if its config is not known.
        max_epochs: The last epoch to train.

    Raises:
        ValueError: If the training was begun with other settings, or trained for more epochs.
    """
    kept = from_main(checkpoints.newest() if is_main() else None)
    if kept is None:
        logger.info(f"{checkpoints.folder} holds no checkpoint to resume from: training begins")
        return None
    before = kept["settings"]
    if before.keys() <= FACTS or settings.keys() <= FACTS:
        # Only facts can be compared: the config was not known then, or is not known now.
        before, settings = ({name: each[name] for name in FACTS & each.keys()} for each in (before, settings))
    require_same(before, settings, checkpoints.read)
    if kept["epoch"] > max_epochs:
        raise ValueError(f"{checkpoints.read} is of epoch {kept['epoch']}, beyond max_epochs {max_epochs}")
    return kept


def finished_results(folder: Path, kept: Mapping[str, Any] | None, max_epochs: int) -> Metrics | None:
    """The results of the training to resume if it is finished; None if something is left to do.

    Args:
        folder: Of the launch.
        kept: What ``checkpoint_to_resume`` gave.
        max_epochs: The last epoch to train.
    """
    results = folder / REPORT[0]
    if kept is None or not (kept["epoch"] == max_epochs or kept.get("stopped")) or not results.is_file():
        return None
    remedy = "The training is complete, and its results are computed again."
    try:
        head = head_of_folder(folder, remedy)
        # An evaluation into the same folder leaves the name of its own run there.
        if head is None or head["run"] != kept["run"]:
            return None
        metrics = read_results(folder, remedy)
    except FileNotFoundError as error:
        logger.warning(f"{error.filename}: there is no such file. {remedy}")
        return None
    except ValueError as error:
        logger.warning(str(error))
        return None
    early = f" (it stopped after epoch {kept['epoch']}: {kept['stopped']})" if kept.get("stopped") else ""
    logger.info(f"the training in {folder} is finished{early}: its results are in {results}")
    return metrics
