"""The first step of a workflow, and the last line on the screen if a run of MONAI's command line fails."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import TracebackType

from monai.utils import set_determinism

from app.checking import CheckError
from app.checking.values import path_problem
from app.engines.configuration import Configuration, monai_words
from app.engines.output_folder import require_writable
from app.engines.processes import is_main, join
from app.failures import described, interrupted, meant


def begin(output_dir: str | Path, seed: int, configuration: Configuration | None = None) -> None:
    """The first step of a workflow: join torchrun's other processes, refuse what cannot work, seed everything.

    Args:
        output_dir: Folder for the results.
        seed: Seed for everything random.
        configuration: The config to check; None to check none.

    Raises:
        PermissionError: If ``output_dir`` cannot be written.
        CheckError: If the config cannot work; lists every problem.
    """
    tell_last(configuration)
    join()
    logging.basicConfig(level=logging.INFO if is_main() else logging.WARNING, format="%(message)s")
    # Each evaluation is an engine's run of its own, which Ignite would announce in three lines per epoch. What it says
    # of an exception is said again by whoever catches that.
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    problem = path_problem(output_dir)
    if not problem:
        require_writable(Path(output_dir))
    if configuration is not None:
        configuration.require_good()
    if problem:
        raise ValueError(f"output_dir: {problem}")
    set_determinism(seed=seed)


def tell_last(configuration: Configuration | None = None) -> None:
    """Make MONAI's command line end in a line that says what went wrong, below the traceback.

    The list of a failed check gets no traceback, as it needs none, nor does Ctrl-C.

    Args:
        configuration: Of the run, which says whether it is a training that can be resumed.
    """
    if monai_words() is None or sys.excepthook is not sys.__excepthook__:
        return

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            sys.stderr.write(f"{interrupted(configuration is not None and configuration.is_training)}\n")
            return
        if not isinstance(meant(error), CheckError):
            sys.__excepthook__(kind, error, trace)
        sys.stderr.write(f"error: {described(error)}\n")

    sys.excepthook = tell
