"""Which images of a study to take: options and choice for data sets with several views."""

from __future__ import annotations

import argparse

from app.annotations.subset import first_of_studies, with_views
from app.datalist.item import Datalist

LATERAL = "LATERAL"
_VIEWS = {"frontal": ("AP", "PA"), "lateral": (LATERAL,)}


def add_view_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--view`` and ``--first-of-study``."""
    parser.add_argument("--view", choices=tuple(_VIEWS), help="only AP and PA, or only lateral images (default: all)")
    parser.add_argument(
        "--first-of-study", action="store_true", help="only the first image of each study, which shares its labels"
    )


def chosen_views(datalist: Datalist, arguments: argparse.Namespace) -> Datalist:
    """The images that ``--view`` and then ``--first-of-study`` choose; the provenance counts the others."""
    if arguments.view:
        datalist = with_views(datalist, _VIEWS[arguments.view], keep=True)
    return first_of_studies(datalist) if arguments.first_of_study else datalist
