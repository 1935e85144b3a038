"""``frugal train``: train a bundle, as ``python -m monai.bundle run`` does."""

from __future__ import annotations

import argparse

from app.workflows.words import add_words


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "train",
        help="train a bundle",
        usage="frugal train [-h] [--trust] BUNDLE [CONFIG ...] [--KEY VALUE ...]",
        description="Check the bundle's config, train, report on the test section, and record the run in MLflow. The "
        "same as: python -m monai.bundle run training --config_file .../configs/train.yaml [--KEY VALUE ...]",
        epilog="Settings stand at the top of the bundle's configs/train.yaml: --datalist FILE --output_dir DIR "
        "--max_epochs N --seed N --resume True. Parts of it are named as in --train#step#clip 1.0. On several GPUs: "
        "torchrun --nproc_per_node=4 --no-python frugal train BUNDLE ...",
    )
    parser.add_argument(
        "bundle",
        metavar="BUNDLE",
        help="name (nodule_detection), folder, or a training config; then configs on top "
        "of it: files, or names of its own (published)",
    )
    add_words(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check and train."""
    from app.workflows.running import run as run_workflow
    from app.workflows.words import config_files, read_words

    words = read_words(arguments)
    on_top = words.overrides.pop("config_file", [])
    further = [*words.further, *(on_top if isinstance(on_top, list | tuple) else [on_top])]
    run_workflow(config_files(arguments.bundle, *map(str, further)), "training", words.overrides, words.trust)
