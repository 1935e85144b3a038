"""``frugal bundle``: which bundles are installed, and where."""

from __future__ import annotations

import argparse
import sys


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "bundle",
        help="list the bundles that are installed, and say where",
        description="List the installed bundles, or print where one lies.",
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the installed bundles and their studies")
    listing.set_defaults(run=list_bundles)
    path = actions.add_parser(
        "path",
        help="print the folder of a bundle",
        description="Print the folder of a bundle, for programs that take a path: python -m monai.bundle run training "
        '--config_file "$(frugal bundle path nodule_detection)/configs/train.yaml"',
    )
    path.add_argument("bundle", nargs="?", metavar="BUNDLE", help="name (default: the folder of all bundles)")
    path.set_defaults(run=print_path)


def list_bundles(arguments: argparse.Namespace) -> None:
    """Print the name, the task and the studies of each installed bundle."""
    from app.files.own_json import read_record
    from app.installed import CONFIGS, bundle_names, find_bundle, studies_of

    for name in bundle_names():
        metadata = find_bundle(name) / CONFIGS / "metadata.json"
        task = read_record(metadata, "the metadata of a bundle", "Install FrugalCXR again.")["task"]
        studies = studies_of(name)
        sys.stdout.write(f"{name}\n    {task}\n" + (f"    studies: {', '.join(studies)}\n" if studies else ""))


def print_path(arguments: argparse.Namespace) -> None:
    """Print the folder of a bundle, or of all."""
    from app.installed import bundles_folder, find_bundle

    sys.stdout.write(f"{bundles_folder() if arguments.bundle is None else find_bundle(arguments.bundle)}\n")
