"""The list of labels to read again: the most suspicious ones and a random control sample, not told apart."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from app.auditing.audit import Doubt
from app.files.atomic import write_files
from evaluation.cells import csv_text

LIST, KEY = "reread.csv", "reread_key.csv"
LIST_COLUMNS = ("number", "image", "finding", "label", "reader")
KEY_COLUMNS = ("number", "image", "patient", "finding", "given", "part", "stands_for", "rank", "score", "p")
SUSPICIOUS, CONTROL = "suspicious", "control"


class Reading(NamedTuple):
    """A label to read again.

    Attributes:
        doubt: The label.
        part: Why it is on the list.
        stands_for: How many labels it represents: 1 if it is suspicious, more in the control sample.
    """

    doubt: Doubt
    part: str
    stands_for: float


def choose(doubts: Sequence[Doubt], minutes: float, each: float, control: float, seed: int) -> list[Reading]:
    """The labels to read within a budget, in an order that says nothing: images at random.

    Args:
        doubts: The most suspicious first.
        minutes: The budget.
        each: Minutes to read one label.
        control: Share of the list that is drawn at random from all labels that are not suspicious enough for it.
        seed: Seed of the draw and the order.

    Raises:
        ValueError: The budget does not pay for two labels, or a number is out of range.
    """
    if not (each > 0 and math.isfinite(each) and math.isfinite(minutes)):
        raise ValueError(f"--minutes {minutes:g} and --each {each:g}: must be numbers above 0.")
    if not 0 < control < 1:
        raise ValueError(f"--control {control:g}: must be above 0 and below 1.")
    count = min(int(minutes / each + 1e-9), len(doubts))
    if count < 2:
        raise ValueError(f"--minutes {minutes:g}: does not pay for two labels at {each:g} minutes each.")
    drawn = min(max(1, round(control * count)), count - 1)
    first, rest = doubts[: count - drawn], doubts[count - drawn :]
    generator = random.Random(seed)
    readings = [Reading(doubt, SUSPICIOUS, 1.0) for doubt in first]
    readings += [Reading(doubt, CONTROL, len(rest) / drawn) for doubt in generator.sample(rest, drawn)]
    images = sorted({reading.doubt.item.image for reading in readings})
    generator.shuffle(images)
    order = {image: number for number, image in enumerate(images)}
    return sorted(readings, key=lambda reading: (order[reading.doubt.item.image], reading.doubt.finding))


def write_list(readings: Sequence[Reading], folder: Path) -> tuple[Path, Path]:
    """Write the list for the reader, and the key, which the reader must not see.

    Returns:
        Both files.
    """
    numbered = list(enumerate(readings, start=1))
    to_read = [(n, r.doubt.item.image, r.doubt.finding, "", "") for n, r in numbered]
    key = [
        (
            *(n, r.doubt.item.image, r.doubt.item.patient, r.doubt.finding, f"{r.doubt.label:g}", r.part),
            *(f"{r.stands_for:.6g}", r.doubt.rank, f"{r.doubt.score:.6g}", f"{r.doubt.p:.6g}"),
        )
        for n, r in numbered
    ]
    files = write_files(folder, {LIST: csv_text([LIST_COLUMNS, *to_read]), KEY: csv_text([KEY_COLUMNS, *key])})
    return files[0], files[1]
