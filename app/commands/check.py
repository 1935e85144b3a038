"""``frugal check``: find everything that is wrong with a config before it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

# Of MONAI's `run`, not of the config: a line that was typed for it can be checked as it is.
_FILES_OF_RUN = ("meta_file", "logging_file", "tracking")
_OF_RUN = ("init_id", "final_id", *_FILES_OF_RUN)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="find what is wrong with a bundle's config before it runs",
        usage="frugal check [-h] [--run_id ID] [--trust] CONFIG [CONFIG ...] [--KEY VALUE ...]",
        description="Check a config, with the overrides that the run would get, and tell all problems at once. Nothing "
        "in the config is evaluated: give a config that you do not know to this command before you run it.",
    )
    parser.add_argument(
        "--run_id", metavar="ID", help="workflow: training (default where there is one), evaluating, run"
    )
    parser.add_argument(
        "--trust", action="store_true", help="allow a config from outside of bundles/ to run code of its own"
    )
    parser.add_argument("config", metavar="CONFIG", help="YAML or JSON file; a later one goes over the earlier ones")
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="further files, and settings as for python -m monai.bundle run: --max_epochs 3 --train#trainer#amp True",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, tell, and fail where there are problems."""
    from app.checking import CheckError, check_files
    from app.checking.words import parse

    words = parse(arguments.words, flags=("trust",))
    files = [arguments.config, *words.files]
    options = {name: value for name, value in words.options.items() if name not in _OF_RUN}
    run_id = options.pop("run_id", None) or arguments.run_id
    trust = arguments.trust or options.pop("trust", False) is True
    if not trust:
        _require_trusted({name: words.options[name] for name in _FILES_OF_RUN if name in words.options})
    report = check_files(files, options, None if run_id is None else str(run_id), trust)
    if report.problems:
        raise CheckError(report.text())
    if report.warnings:
        sys.stdout.write(f"{report.text()}\n")
    checked = "keys, references, arguments, values and expressions are fine"
    lines = [f"ok: {report.run_id} of {', '.join(files)}: {checked}", *report.facts]
    sys.stdout.write("\n  ".join(lines) + "\n")


def _require_trusted(named: Mapping[str, object]) -> None:
    """Refuse further files that the run would take into the config."""
    from app.checking import CheckError
    from app.checking.trust import REMEDY, is_trusted

    for option, value in named.items():
        for file in value if isinstance(value, list | tuple) else [value]:
            if isinstance(file, str) and Path(file).exists() and not is_trusted(Path(file)):
                raise CheckError(
                    f"--{option} {file}: a file from outside of bundles/, which is not looked at. {REMEDY}"
                )
