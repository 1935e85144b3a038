"""Run a workflow of a bundle in this process: checked first, then as ``python -m monai.bundle run`` would run it."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.checking import CheckError, MergedConfig, check, load
from app.checking.trust import is_trusted
from app.failures import described, interrupted
from app.garbage import without_garbage_collection
from app.interrupts import ended_by_interrupt

OF_MONAI = ("args_file", "final_id", "init_id", "logging_file", "meta_file", "run_id", "tracking", "workflow_name")
"""Options of MONAI's command line that are no settings of a config."""


def run(files: Sequence[Path], run_id: str, overrides: Mapping[str, object], trust: bool = False) -> None:
    """Check a config with its overrides, and run one of its workflows.

    Args:
        files: Config files, the bundle's own first.
        run_id: ``training``, ``evaluating`` or ``run``.
        overrides: Values by id, as typed.
        trust: Whether the files may run code wherever they lie.

    Raises:
        CheckError: The config cannot work; lists every problem.
        ValueError: The run failed; says why in the words of the original error.
        OSError: Likewise, of files.
        KeyboardInterrupt: It was stopped by Ctrl-C; says how to continue.
    """
    refused = [name for name in OF_MONAI if name in overrides]
    if refused:
        raise ValueError(f"--{refused[0]} is an option of python -m monai.bundle run alone.")
    reach_modules(files[0])
    words = interrupted(run_id == "training")
    try:
        with ended_by_interrupt(f"frugal: {words}"), without_garbage_collection():
            require_good(files, run_id, overrides, trust)
            importlib.import_module("app.engines")
        start(files, run_id, {**overrides, "trust": True} if trust else overrides)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(words) from None
    except (CheckError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(described(error)) from error


def start(files: Sequence[Path], run_id: str, overrides: Mapping[str, object]) -> None:
    """Run a workflow of a config that was checked, without MONAI's announcements of what it was given.

    Args:
        files: See `run`.
        run_id: See `run`.
        overrides: See `run`.

    Raises:
        Exception: Whatever the workflow raises.
    """
    # "Only proceed if this config is from a source you trust": the check has seen to that.
    warnings.filterwarnings("ignore", message="parsing config_file", category=UserWarning)
    from monai import bundle

    from app.engines.configuration import RadiographWorkflow

    logging.getLogger("monai.bundle.scripts").setLevel(logging.WARNING)
    names = [str(file) for file in files]
    first = names[0] if len(names) == 1 else names
    # MONAI leaves out what is None, as if nobody had said it.
    given = {name: "$None" if value is None else value for name, value in overrides.items()}
    bundle.run(run_id=run_id, config_file=first, workflow_name=RadiographWorkflow, **given)


def reach_modules(config: Path) -> None:
    """Let modules of the working folder and of the bundle's folder be imported, but none in the place of ours."""
    importlib.import_module("frugal")
    sys.path += [folder for folder in (str(Path.cwd()), str(config.absolute().parents[1])) if folder not in sys.path]


def require_good(
    files: Sequence[Path],
    run_id: str,
    overrides: Mapping[str, object],
    trust: bool = False,
    look_at_images: bool = True,
) -> MergedConfig:
    """Refuse a config that cannot work; the first arguments are those of `run`.

    Args:
        files: See `run`.
        run_id: See `run`.
        overrides: See `run`.
        trust: See `run`.
        look_at_images: Whether to look at every image and mask that the datalist names.

    Returns:
        The merged config, with what weights bring.

    Raises:
        CheckError: Lists every problem.
    """
    if not trust and not is_trusted(files[0]):
        raise CheckError(
            f"{files[0]}: a config from outside of the installation, which may run any code. Read it (frugal check "
            "lists what it would run), then allow it: --trust."
        )
    merged = load(files, overrides, trust, run_id)
    result = check(merged, run_id, files=look_at_images)
    if result.problems:
        if int(os.environ.get("RANK") or 0):  # the first of torchrun's processes tells
            sys.exit(1)
        raise CheckError(result.text())
    return merged
