"""Command-line arguments that several data sets share."""

from __future__ import annotations

import argparse

from app.findings import ABSENT, NOT_SAID

EMPTY = {"unknown": NOT_SAID, "absent": ABSENT}
"""What an empty label may mean."""


def add_empty_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--empty``, the meaning of an empty label."""
    parser.add_argument(
        "--empty",
        choices=tuple(EMPTY),
        default="unknown",
        help="meaning of an empty label: nobody said anything, or absent (default: %(default)s)",
    )


def add_patient_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--each-image-a-patient``, for data whose patients are unknown."""
    parser.add_argument(
        "--each-image-a-patient",
        action="store_true",
        help="if patients are unknown, count each image as one; images of one person may then cross splits",
    )
