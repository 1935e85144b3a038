"""``frugal evaluate``: report on a section of a datalist with trained weights."""

from __future__ import annotations

import argparse

from app.workflows.words import add_words


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate trained weights on a section of a datalist",
        usage="frugal evaluate [-h] [--trust] RUN_OR_WEIGHTS [--datalist FILE] [--section SECTION] [--KEY VALUE ...]",
        description="Evaluate weights with the settings that they were trained with, by default on the test section "
        "of the same data. The same as: python -m monai.bundle run evaluating --config_file .../configs/train.yaml "
        "--checkpoint .../model.pt --output_dir ... [--KEY VALUE ...]",
        epilog="Further options: --output_dir DIR (default: the run's folder with the name of the section, such as "
        "runs/pneumonia_test), --bundle BUNDLE if nothing beside the weights names it, and all settings of the bundle.",
    )
    parser.add_argument(
        "weights", metavar="RUN_OR_WEIGHTS", help="output folder of a training, model.pt, bundle, or MLflow run"
    )
    add_words(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Find the weights and their data, check, and evaluate."""
    from app.workflows.running import run as run_workflow
    from app.workflows.weights import evaluation
    from app.workflows.words import read_words, refuse_further

    words = read_words(arguments)
    refuse_further(words.further, "frugal evaluate")
    file, overrides = evaluation(arguments.weights, words.overrides)
    run_workflow([file], "evaluating", overrides, words.trust)
