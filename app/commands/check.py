"""``frugal check``: find everything that is wrong with a config before it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

# Options of MONAI's `run` that do not belong to the config: a line that was typed for it can be checked as it is.
_FILE_OPTIONS = ("meta_file", "logging_file", "tracking")
_RUN_OPTIONS = ("init_id", "final_id", *_FILE_OPTIONS)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="find what is wrong with a bundle's config before it runs",
        usage="frugal check [-h] [--run_id ID] [--trust] CONFIG [CONFIG ...] [--KEY VALUE ...]",
        description="Check a config, with the overrides that the run would get, and list all problems at once. Nothing "
        "in the config is evaluated: give a config that you do not know to this command before you run it.",
    )
    parser.add_argument("--run_id", metavar="ID", help="workflow: training (the default if it exists), evaluating, run")
    parser.add_argument(
        "--trust", action="store_true", help="allow a config from outside of the installation to run code of its own"
    )
    parser.add_argument(
        "config",
        metavar="CONFIG",
        help="YAML or JSON file, or a bundle by name or folder (its training); then files or names of its own configs "
        "(published), which override earlier ones",
    )
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="further files, and settings as for python -m monai.bundle run: --max_epochs 3 --train#step#clip 1.0",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, report, and fail if there are problems."""
    from app.checking import CheckError, check_files
    from app.workflows.running import reach_modules
    from app.workflows.words import config_files, files_and_overrides

    files, options = files_and_overrides([arguments.config, *arguments.words], flags=("trust",))
    run_id = options.pop("run_id", None) or arguments.run_id
    trust = arguments.trust or options.pop("trust", False) is True
    if not trust:
        _require_trusted({name: options[name] for name in _FILE_OPTIONS if name in options})
    overrides = {name: value for name, value in options.items() if name not in _RUN_OPTIONS}
    paths = config_files(*files)
    reach_modules(paths[0])
    result = check_files(paths, overrides, None if run_id is None else str(run_id), trust)
    if result.problems:
        raise CheckError(result.text())
    if result.warnings:
        sys.stdout.write(f"{result.text()}\n")
    checked = "keys, references, arguments, values and expressions are fine"
    lines = [f"ok: {result.run_id} of {', '.join(files)}: {checked}", *result.facts]
    sys.stdout.write("\n  ".join(lines) + "\n")


def _require_trusted(options: Mapping[str, object]) -> None:
    """Refuse untrusted files that the run would merge into the config."""
    from app.checking import CheckError
    from app.checking.trust import REMEDY, is_trusted

    for option, value in options.items():
        for file in value if isinstance(value, list | tuple) else [value]:
            if isinstance(file, str) and Path(file).exists() and not is_trusted(Path(file)):
                text = f"--{option} {file}: a file from outside of the installation, whose content is not checked."
                raise CheckError(f"{text} {REMEDY}")
