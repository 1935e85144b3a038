"""``frugal predict``: score radiographs with trained weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.archive.arguments import add_place
from app.workflows.words import add_words

if TYPE_CHECKING:
    from app.archive.runs import Place


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "predict",
        help="score radiographs with trained weights",
        usage="frugal predict [-h] [--trust] RUN_OR_WEIGHTS FOLDER_OR_DATALIST [--jobs N] [--on CLUSTER] "
        "[--KEY VALUE ...]",
        description="Score every radiograph of a folder or a datalist (DICOM, PNG, JPEG, TIFF, BMP, NIfTI, MHA, NRRD): "
        "predictions.csv, a picture of each with what was detected, and excluded.csv. The same as: python -m "
        "monai.bundle run run --config_file .../configs/inference.yaml --checkpoint .../model.pt --dataset_dir FOLDER "
        "--output_dir ... [--KEY VALUE ...]. With --jobs or --on the images are dealt out in portions to worker "
        "processes; there are no pictures then, but predictions.parquet, and the same command goes on after it was "
        "stopped.",
        epilog="Further options: --output_dir DIR (default: the run's folder with the name of FOLDER, such as "
        "runs/pneumonia_images), --bundle BUNDLE if nothing beside the weights names it, and all settings of the "
        "bundle's configs/inference.yaml.",
    )
    parser.add_argument(
        "weights", metavar="RUN_OR_WEIGHTS", help="output folder of a training, model.pt, bundle, or MLflow run"
    )
    parser.add_argument("images", metavar="FOLDER_OR_DATALIST", help="radiographs, at any depth, or a datalist of them")
    add_place(parser)
    add_words(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Find the weights, check, and score."""
    from app.archive.arguments import read_place
    from app.workflows.running import run as run_workflow
    from app.workflows.weights import prediction
    from app.workflows.words import read_words, refuse_further

    place = read_place(arguments)
    words = read_words(arguments)
    if not Path(arguments.images).exists():
        raise ValueError(f"{arguments.images}: no such folder or datalist; name the radiographs to score.")
    refuse_further(words.further, "frugal predict")
    file, overrides = prediction(arguments.weights, arguments.images, words.overrides)
    if place is None:
        run_workflow([file], "run", overrides, words.trust)
    else:
        _score_in_chunks(file, overrides, Path(arguments.images), place, words.trust, "prepared_dir" in words.overrides)


def _score_in_chunks(
    file: Path, overrides: dict[str, object], images: Path, place: Place, trust: bool, keep: bool
) -> None:
    import logging

    from app.archive.runs import Images, score
    from app.archive.settings import Settings
    from app.datalist.image_names import datalist_names, folder_names
    from app.workflows.running import require_good

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name, value in {"dataset#workers": 1, "inference#overlays": False}.items():
        overrides.setdefault(name, value)
    overrides["inference#samples"] = "$engines.no_samples(@findings, @any_view)"
    if trust:
        overrides["trust"] = True
    config = require_good([file], "run", overrides, trust).config
    _refuse_further_results(config)
    output = str(config["output_dir"])
    listed = datalist_names(images) if images.is_file() else folder_names(images, output)
    score(Settings.of([file], overrides), config, Images(*listed), place, keep)


def _refuse_further_results(config: dict[str, object]) -> None:
    """Refuse what is written radiograph by radiograph: names of pictures follow from those of all images."""
    inference = config["inference"]
    assert isinstance(inference, dict)
    asked = "--inference#overlays" if inference.get("overlays") else "--dicom" if config.get("dicom") else ""
    others = [each for each in inference.get("further", []) if each.get("_target_") != "app.dicom.DicomResults"]
    if asked or others:
        raise ValueError(
            f"{asked or 'inference#further'}: with --jobs and --on there are tables alone. Leave it out, or score "
            "without --jobs and --on."
        )
