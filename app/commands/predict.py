"""``frugal predict``: score the radiographs of a folder with trained weights."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.workflows.words import add_words


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="score the radiographs of a folder with trained weights",
        usage="frugal predict [-h] [--trust] RUN_OR_WEIGHTS FOLDER [--KEY VALUE ...]",
        description="Score every radiograph of a folder (DICOM, PNG, JPEG, TIFF, BMP, NIfTI, MHA, NRRD): "
        "predictions.csv, a picture of each with what was detected, and excluded.csv. The same as: python -m "
        "monai.bundle run run --config_file .../configs/inference.yaml --checkpoint .../model.pt --dataset_dir FOLDER "
        "--output_dir ... [--KEY VALUE ...]",
        epilog="Further options: --output_dir DIR (default: the run's folder with the name of FOLDER, such as "
        "runs/pneumonia_images), --bundle BUNDLE if nothing beside the weights names it, and all settings of the "
        "bundle's configs/inference.yaml.",
    )
    parser.add_argument(
        "weights", metavar="RUN_OR_WEIGHTS", help="output folder of a training, model.pt, bundle, or MLflow run"
    )
    parser.add_argument("folder", metavar="FOLDER", help="radiographs, at any depth")
    add_words(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Find the weights, check, and score."""
    from app.workflows.running import run as run_workflow
    from app.workflows.weights import prediction
    from app.workflows.words import read_words, refuse_further

    if not Path(arguments.folder).is_dir():
        raise ValueError(f"{arguments.folder}: no such folder; FOLDER holds the radiographs to score.")
    words = read_words(arguments)
    refuse_further(words.further, "frugal predict")
    file, overrides = prediction(arguments.weights, arguments.folder, words.overrides)
    run_workflow([file], "run", overrides, words.trust)
