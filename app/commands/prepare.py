"""``frugal prepare``: prepare the radiographs of a datalist before they are trained on."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from app.archive.arguments import add_place
from app.workflows.words import add_words

if TYPE_CHECKING:
    from app.datalist.item import Datalist


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "prepare",
        help="prepare the radiographs of a datalist before they are trained on",
        usage="frugal prepare [-h] [--trust] BUNDLE DATALIST [CONFIG ...] [--jobs N] [--on CLUSTER] [--KEY VALUE ...]",
        description="Decode, crop and resize every radiograph of a datalist as the bundle's training would, into "
        "prepared_dir; trainings, evaluations and studies then read them from there. What is prepared already is not "
        "prepared again, so the same command goes on after it was stopped. Files that cannot be prepared are listed, "
        "with the reason, in DATALIST-DIGITS.excluded.csv in prepared_dir.",
        epilog="Settings are those of the bundle's configs/train.yaml: --prepared_dir DIR --image_size N ...",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="as for frugal train")
    parser.add_argument(
        "datalist", type=Path, metavar="DATALIST", help="the datalist; then configs, as for frugal train"
    )
    add_place(parser)
    add_words(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Check, and prepare."""
    import logging
    import os

    from app.archive.arguments import read_place
    from app.workflows.running import require_good
    from app.workflows.words import config_files, read_words

    place = read_place(arguments)
    words = read_words(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if "datalist" in words.overrides:
        raise ValueError("--datalist: the datalist is the second word of this command.")
    files = config_files(arguments.bundle, *words.further)
    workers = len(os.sched_getaffinity(0)) if place is None else 1
    defaults = {"prepare#workers": workers, "prepare#on_error": "exclude"}
    overrides = {**defaults, **words.overrides, "datalist": str(arguments.datalist.absolute())}
    config = require_good(files, "training", overrides, words.trust, look_at_images=False).config
    datalist = _with_findings_of(config, arguments.datalist)
    folder = _prepared_dir(config)
    overrides["prepared_dir"] = str(folder)

    from app.archive.runs import Place, prepare
    from app.archive.settings import Settings

    trust = {"trust": True} if words.trust else {}
    prepare(Settings.of(files, overrides | trust), datalist, arguments.datalist, folder, place or Place(None, 1))


def _with_findings_of(config: Mapping[str, object], path: Path) -> Datalist:
    """A datalist with the findings that a training uses of it, as masks are kept by finding."""
    from app.datalist.choosing import choose_findings
    from app.datalist.file import read_datalist

    datalist = read_datalist(path)
    data = config.get("data")
    findings = data.get("findings") if isinstance(data, dict) else None
    return choose_findings(datalist, findings) if isinstance(findings, list) else datalist


def _prepared_dir(config: Mapping[str, object]) -> Path:
    """The folder for prepared radiographs; by default it follows from other settings."""
    value = config.get("prepared_dir")
    if isinstance(value, str) and value.startswith(("$", "@")):
        from monai.bundle import ConfigParser

        value = ConfigParser(dict(config)).get_parsed_content("prepared_dir")
    return Path(str(value)).absolute()
