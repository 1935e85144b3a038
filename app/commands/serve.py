"""``frugal serve``: radiographs from an archive or a machine in, results as DICOM out."""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "serve",
        help="receive radiographs, score them, and send the results as DICOM",
        description="Receive radiographs by C-STORE, from a folder, a DICOMweb server or an Orthanc, score them, and "
        "send the results as DICOM, until SIGTERM or Ctrl-C. Nothing is lost whatever ends it.",
        epilog="docs/pacs.md explains the settings. For research use only.",
    )
    parser.add_argument("settings", type=Path, metavar="CONFIG.yaml", help="settings of the service")
    parser.add_argument(
        "--shard",
        default="1/1",
        metavar="i/N",
        help="score the i-th part of the examinations, of N services that share a spool; the first of them receives",
    )
    parser.add_argument("--health-port", type=int, metavar="PORT", help="port of the health page instead of the file's")
    parser.add_argument("--check", action="store_true", help="only read the settings, and say what is wrong with them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read the settings, and serve."""
    import importlib.util

    missing = [name for name in ("highdicom", "pynetdicom", "dicomweb_client") if not importlib.util.find_spec(name)]
    if missing:
        raise ValueError(f"frugal serve needs {', '.join(missing)}: pip install 'frugal-cxr[deploy]'")
    from app.service.service import serve
    from app.service.settings import read_settings
    from app.service.spool import Shard

    match = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", arguments.shard)
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(f"--shard {arguments.shard}: give i/N, such as 1/4, with i from 1 to N")
    settings = read_settings(arguments.settings, arguments.health_port)
    if arguments.check:
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(processName)s: %(message)s")
    serve(settings, Shard(int(match[1]), int(match[2])))
