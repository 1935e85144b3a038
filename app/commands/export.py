"""``frugal export``: a trained network in a format that other programs read."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from app.workflows.words import add_words

FORMATS = {"onnx": ".onnx", "torchscript": ".ts", "safetensors": ".safetensors"}
"""With the suffixes of their files; `app.networks.export` writes them."""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained network as ONNX, TorchScript or safetensors",
        usage="frugal export [-h] [--trust] RUN_OR_WEIGHTS [--format FORMAT] [--out FILE] [--KEY VALUE ...]",
        description="Write a trained network for other programs, beside its weights or where --out says. ONNX, for "
        "ONNX Runtime, OpenVINO and others, needs the extra onnx or openvino.",
        epilog="Further options: --bundle BUNDLE if nothing beside the weights names it, and all settings of the "
        "bundle's configs/inference.yaml.",
    )
    _add_options(parser)
    parser.add_argument(
        "weights", metavar="RUN_OR_WEIGHTS", help="output folder of a training, model.pt, bundle, or MLflow run"
    )
    add_words(parser)
    parser.set_defaults(run=run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=sorted(FORMATS), help="of the file (default: onnx)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="(default: model.onnx, .ts or .safetensors beside it)")


def run(arguments: argparse.Namespace) -> None:
    """Find the weights, load their network, and write it."""
    from app.workflows.running import reach_modules, require_good
    from app.workflows.weights import prediction
    from app.workflows.words import read_words, refuse_further

    options = argparse.ArgumentParser(arguments.parser.prog, arguments.parser.usage, add_help=False, allow_abbrev=False)
    _add_options(options)
    _, arguments.words = options.parse_known_args(arguments.words, arguments)  # which may stand after the weights
    form = arguments.format or "onnx"
    words = read_words(arguments)
    refuse_further(words.further, "frugal export")
    with tempfile.TemporaryDirectory() as folder:
        # The check wants a file in the one folder, and to write to the others; nobody does either.
        images = Path(folder) / "images"
        images.mkdir()
        (images / "no_image_is_read").touch()
        own = {"output_dir": f"{folder}/results", "prepared_dir": f"{folder}/prepared"}
        file, overrides = prediction(arguments.weights, str(images), words.overrides | own)
        if words.trust:
            overrides["trust"] = True
        weights = Path(str(overrides["checkpoint"]))
        path = arguments.out or weights.with_suffix(FORMATS[form])
        _require_new(path, weights)
        reach_modules(file)
        config = require_good([file], "run", overrides, words.trust, look_at_images=False).config
        _write(file, overrides, config, form, path)
    sys.stdout.write(f"{path}\n")


def _require_new(path: Path, weights: Path) -> None:
    if path.is_dir():
        raise ValueError(f"--out {path}: this is a folder; name a file in it.")
    if path.resolve() in (weights.resolve(), weights.with_suffix(".json").resolve()):
        raise ValueError(f"--out {path}: this would replace the weights or their record; name another file.")


def _write(file: Path, overrides: dict[str, object], config: dict[str, object], form: str, path: Path) -> None:
    from app.checking.model_records import RECORD, REMEDY, record_path
    from app.engines.configuration import RadiographWorkflow
    from app.files.own_json import read_record
    from app.installed import find_file
    from app.networks.checkpoints import load_exactly
    from app.networks.export import FORMATS as WRITERS

    parser = RadiographWorkflow(str(file), run_id="run", **overrides).parser
    network = parser.get_parsed_content("network_def").eval()
    weights = find_file(str(overrides["checkpoint"]))
    load_exactly(network, weights)
    record = read_record(record_path(weights), RECORD, REMEDY) if record_path(weights).is_file() else {}
    size = int(str(config["image_size"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[form](network, (size, size), record, path)
