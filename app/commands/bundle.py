"""``frugal bundle``: which bundles are installed, and where; and copies of one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "bundle",
        help="list the bundles that are installed, say where, or copy one to change it",
        description="List the installed bundles, print where one lies, or copy one to change it.",
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
    copy = actions.add_parser(
        "copy",
        help="copy a bundle's configs and studies into a folder of your own",
        description="Copy a bundle's configs and studies. In the copy, change configs/train.yaml (data, preparation, "
        "network, loss, schedule), and what you change of the network and the preparation also in "
        "configs/inference.yaml; docs/README.md in the copy says the rest.",
        epilog="Then: frugal train DIR --trust. Configs are programs, so those outside of the installation run with "
        "--trust only.",
    )
    copy.add_argument("bundle", metavar="BUNDLE", help="name, such as nodule_detection, or folder")
    copy.add_argument("folder", type=Path, metavar="DIR", help="new folder; its name becomes the name of the bundle")
    copy.set_defaults(run=copy_one)


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


def copy_one(arguments: argparse.Namespace) -> None:
    """Copy a bundle, and say how to go on."""
    from app.workflows.copying import copy_bundle

    folder = arguments.folder
    files = copy_bundle(arguments.bundle, folder)
    sys.stdout.write(f"{len(files)} files copied to {folder}; docs/README.md there says what to change. Then:\n")
    sys.stdout.write(f"    frugal train {folder} --trust\n")
