"""Labels from several readers by how good each of them is: Dawid and Skene's model, finding by finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.annotations.several_readers import by_name, readers_of
from app.datalist.item import Datalist, Item
from app.datalist.stored_images import bare_name
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN
from evaluation.reader_skill import dawid_skene

if TYPE_CHECKING:
    from evaluation.cases import FloatArray
    from evaluation.reader_skill import ReaderSkill

DIGITS = 4
"""Digits to which a probability is written."""


class Readings(NamedTuple):
    """What each reader said of each image.

    Attributes:
        readers: Their names.
        findings: Their names.
        values: (F, N, R), finding by image by reader: 1 present, 0 absent, -1 uncertain, -2 not said.
    """

    readers: tuple[str, ...]
    findings: tuple[str, ...]
    values: FloatArray


def readings_of_boxes(datalist: Datalist) -> Readings:
    """Readings in a datalist whose items name their readers: present by drawing a box, absent otherwise.

    Raises:
        ValueError: An item has no ``readers``, or a box by somebody who is not among them.
    """
    items = datalist.items()
    reader_index = {name: index for index, name in enumerate(sorted({name for i in items for name in readers_of(i)}))}
    finding_index = {name: index for index, name in enumerate(datalist.findings)}
    values = np.full((len(finding_index), len(items), len(reader_index)), float(NOT_SAID))
    for row, item in enumerate(items):
        values[:, row, [reader_index[name] for name in readers_of(item)]] = ABSENT
        for box in item.boxes:
            values[finding_index[box.finding], row, reader_index[box.reader]] = PRESENT
    return Readings(tuple(reader_index), datalist.findings, values)


def readings_of_datalists(datalists: Sequence[Datalist], readers: Sequence[str]) -> Readings:
    """Readings in one datalist a reader, for the images of the first.

    Certainties above 0.5 count as present, below as absent, 0.5 as uncertain.

    Args:
        datalists: Of the same findings, in any order; matched by file name.
        readers: A name for each.
    """
    first = datalists[0]
    names = [bare_name(item.image) for item in first.items()]
    values = np.full((len(first.findings), len(names), len(readers)), float(NOT_SAID))
    values[:, :, 0] = np.array([item.label for item in first.items()]).T
    for reader, datalist in enumerate(datalists[1:], start=1):
        items, columns = by_name(datalist), [datalist.findings.index(name) for name in first.findings]
        for row, name in enumerate(names):
            if name in items:
                values[:, row, reader] = [items[name].label[column] for column in columns]
    decided = np.where(values > 0.5, PRESENT, np.where(values == 0.5, UNCERTAIN, ABSENT))
    return Readings(tuple(readers), first.findings, np.where(values < 0, values, decided))


def measure_readers(readings: Readings) -> list[ReaderSkill]:
    """Dawid and Skene's model of each finding; an uncertain reader counts as one who did not say.

    Raises:
        ValueError: Fewer than two readers said present or absent of anything.
    """
    said = np.asarray((readings.values >= 0).any(axis=(0, 1)))
    if said.sum() < 2:
        names = ", ".join(name for name, has_said in zip(readings.readers, said, strict=True) if has_said)
        raise ValueError(
            f"only {names or 'nobody'} said present or absent of these images: readers are measured by each other, so "
            "there must be two, better three or more."
        )
    return [dawid_skene(values) for values in readings.values]


def with_skill(
    datalist: Datalist, readings: Readings, skills: Sequence[ReaderSkill], decide_all: bool = False
) -> Datalist:
    """Labels by the model: in training how probable each finding is, elsewhere whether it is more probable than not.

    A certainty can be learnt, but nothing can be measured against it. A finding of which nobody said present or absent
    is uncertain or not said. Boxes and masks stay if the finding is more probable than not. Where a location was drawn
    and is left out, or should be and nobody drew any, the location counts as not asked for.

    Args:
        datalist: Whose items are those of the readings, in the same order.
        readings: What was said.
        skills: The model of each finding.
        decide_all: Decide the labels of training too.
    """
    probabilities = np.stack([skill.probability for skill in skills], axis=1).round(DIGITS)
    is_uncertain = (readings.values == UNCERTAIN).any(axis=2).T
    unknown = np.where(is_uncertain, UNCERTAIN, NOT_SAID)
    soft = np.where(np.isnan(probabilities), unknown, probabilities)
    hard = np.where(soft < 0, soft, np.where(soft > 0.5, PRESENT, ABSENT))
    rows = iter(range(len(soft)))
    sections = {}
    for section, items in datalist.sections.items():
        labels = soft if section == "training" and not decide_all else hard
        sections[section] = [_labelled(item, labels[next(rows)].tolist(), datalist.findings) for item in items]
    result = replace(datalist, sections=sections)
    before, after = (sum(len(i.boxes) + len(i.mask) for i in each.items()) for each in (datalist, result))
    counts = {"left out: boxes and masks of findings that the readers together make improbable": before - after}
    return result.with_counts(counts) if before > after else result


def _labelled(item: Item, label: Sequence[float], findings: Sequence[str]) -> Item:
    probable = {finding for finding, value in zip(findings, label, strict=True) if value > 0.5}
    unknown = {finding for finding, value in zip(findings, label, strict=True) if value < 0}
    located = {*(box.finding for box in item.boxes), *item.mask} | unknown
    return replace(
        item,
        label=tuple(int(value) if value == int(value) else value for value in label),
        boxes=tuple(box for box in item.boxes if box.finding in probable),
        mask={finding: mask for finding, mask in item.mask.items() if finding in probable},
        annotated=tuple(name for name in item.annotated if (name in probable) == (name in located)),
    )
