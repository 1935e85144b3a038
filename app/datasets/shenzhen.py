"""Shenzhen: 662 radiographs, 336 with tuberculosis, with sex and age.

Source: see :mod:`app.datasets.clinical_readings`; National Library of Medicine, https://data.lhncbc.nlm.nih.gov (no
licence is stated; name the source). Known faults: some are of children; sex and age are written in several ways, and
those that cannot be read are counted and left out; the set has no outlines of its own.

Folder, in ``--tables``: ``ClinicalReadings`` (such as ``male 45yrs``, then the reading).
"""

from __future__ import annotations

import argparse
import re

from app.datalist.item import Datalist
from app.datalist.stored_images import with_images
from app.datasets.clinical_readings import ReadingForm, read_readings

FORM = ReadingForm(
    "Shenzhen",
    "CHNCXR",
    re.compile(r"\b(?P<sex>femal|mal)e?\W*(?P<age>\d+)\s*(?P<unit>[ymwd])?", re.IGNORECASE),
)


def datalist_from(arguments: argparse.Namespace) -> Datalist:
    """Build the datalist; images are ``CHNCXR_0001_0.png`` and so on."""
    return with_images(read_readings(arguments.tables, FORM), arguments.images, arguments.out)
