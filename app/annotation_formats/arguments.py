"""The formats' names, and the command-line options of annotation files."""

from __future__ import annotations

import argparse
from pathlib import Path

FORMATS = ("coco", "cvat", "dicom-seg", "dicom-sr", "label-studio", "labelme", "masks", "voc", "yolo")
"""Names of the formats, for ``--format``."""


def add_annotation_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--annotations`` and the options that say which of them are taken."""
    parser.add_argument(
        "--annotations",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder of annotations, recognised by its content: COCO, CVAT, DICOM SEG and SR, Label Studio, "
        "LabelMe, masks (PNG, NIfTI, NRRD), Pascal VOC, YOLO; may be repeated; needs --images",
    )
    parser.add_argument("--format", choices=FORMATS, default="", help="take only annotations of this format")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="NAME",
        help="a category of the annotations to leave out; may be repeated",
    )
    parser.add_argument(
        "--reader", default="", metavar="NAME", help="take only the annotations of this reader, as the files name them"
    )
