"""The study that gives an audit its scores: one bundle, trained on the folds of a datalist."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.auditing.out_of_fold import Source
from app.comparing.run_files import PREDICTIONS
from app.files.atomic import write_whole

VALIDATION = 0.1
"""Share of each training section."""


def train_folds(
    datalist: Path, bundle: str, folds: int, fixed: Mapping[str, Any], seed: int, folder: Path
) -> list[Source]:
    """Train what has not been trained yet.

    Args:
        datalist: To be divided into folds by patient.
        bundle: Name of a bundle, or a config file.
        folds: How many.
        fixed: Overrides of its settings.
        seed: Of the folds and the trainings.
        folder: For ``study.yaml`` and the runs.

    Returns:
        The predictions of each fold.

    Raises:
        ValueError: The bundle or an override is unknown, or a fold failed.
    """
    import yaml

    from app.sweeps.runner import Launcher, run_all
    from app.sweeps.study_file import read_sweep

    study = {
        "name": "audit",
        "bundle": bundle,
        "fixed": dict(fixed),
        "data": {"datalist": str(datalist)},
        "folds": {"count": folds, "validation": VALIDATION, "seed": seed},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.yaml"
    write_whole(path, yaml.safe_dump(study, sort_keys=False, allow_unicode=True))
    launcher = Launcher(read_sweep(path), folder)
    runs = launcher.runs()
    run_all(launcher, runs)
    failed = [run for run in runs if not run.is_finished()]
    if failed:
        why = failed[0].record().get("error") or "it is still running elsewhere"
        raise ValueError(
            f"{len(failed)} of {folds} folds are not trained: {why} ({failed[0].folder}); the same command goes on."
        )
    return [Source(run.folder / PREDICTIONS, run.datalist) for run in runs if run.datalist is not None]
