"""Cheaper annotations made from better ones: less exact locations, none, a labeller's labels, fewer patients, mixtures.

The levels are those of the study of annotation cost (quantity, quality and granularity): outlines drawn by
radiologists, boxes around findings, image-level labels by radiologists, and image-level labels by a program at a given
F1. Ellipses in boxes are those of Kim et al. 2022. Only the training section is changed unless others are named: what
is measured then stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.annotations.labeller import Quality, labelled
from app.annotations.reduction import TRAINING, degraded, section_of, shuffled_patients
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.people import normalised
from app.datalist.run_lengths import boxes_of, decode, ellipses
from app.datalist.validate import absolute_path
from app.files.image_names import image_size
from app.files.limited import limited
from transforms.masks import read_mask

if TYPE_CHECKING:
    import numpy as np

LEVELS: Mapping[str, str] = {
    "outline": "outlines (contours) drawn around each finding",
    "ellipse": "ellipses in boxes around each finding",
    "box": "boxes around each finding",
    "image": "image-level labels: whether a finding is there, not where",
    "nlp": "image-level labels as a program that reads reports gives them, at an F1 of",
}
"""Granularities and qualities of annotation, the dearest first, in words."""

LOCATED = ("outline", "ellipse", "box")


class LevelCount(NamedTuple):
    """A part of a mixture: so many images at one level; None for all that no other part takes."""

    level: str
    images: int | None


def at_level(datalist: Datalist, level: str, root: Path, sections: Sequence[str] = TRAINING) -> Datalist:
    """A datalist with locations of one level at most, labels as they are.

    - ``outline``: unchanged.
    - ``box``: each region of a mask (8-connected) becomes the box around it; boxes stay.
    - ``ellipse``: as ``box``, and then the union of the ellipses in the boxes becomes a mask, as run lengths.
    - ``image``: no location.

    Args:
        datalist: as read.
        level: one of the above; for ``nlp`` see :func:`by_labeller`.
        root: folder that the datalist's paths are relative to: mask files, and images whose size is needed, are read.
        sections: those to change.

    Raises:
        ValueError: an unknown level or section, a mask file that cannot be read, an image whose size cannot be.
    """
    if level not in LEVELS or level == "nlp":
        raise ValueError(f"level {level!r}: must be one of {', '.join(name for name in LEVELS if name != 'nlp')}.")
    changed = {name: [_item_at(item, level, root) for item in section_of(datalist, name)] for name in sections}
    return degraded(datalist, changed, {"to": LEVELS[level], "sections": list(sections)})


def by_labeller(
    datalist: Datalist, quality: Mapping[str, Quality], seed: int, sections: Sequence[str] = TRAINING
) -> Datalist:
    """A datalist labelled by a program of the given quality, section by section, without locations.

    See :func:`app.annotations.labeller.labelled`. The source of each item then tells that a labeller stands between.

    Raises:
        ValueError: an unknown finding or section, or a quality that these labels cannot have.
    """
    changed, facts = {}, {}
    for name in sections:
        items, facts[name] = labelled(section_of(datalist, name), datalist.findings, quality, seed)
        changed[name] = [_by_program(item) for item in items]
    step = {"to": _in_words(quality), "sections": list(sections), "seed": seed, "came to": facts}
    return degraded(datalist, changed, step)


def mixture(
    datalist: Datalist, parts: Sequence[LevelCount], root: Path, seed: int, quality: Mapping[str, Quality] | None = None
) -> Datalist:
    """A training section of so many images at each level, such as 6,000 outlines and 24,000 image-level labels.

    Patients come in random order, each with all images, until a part is full; the last patient of a part may stand in
    the next as well, and images that no part takes are left out. A located part takes images alone whose location was
    annotated, an outline alone those without a box that has no outline. With one seed a part of 6,000 is the beginning
    of one of 12,000.

    Args:
        datalist: as read.
        parts: dearest level first, or in any order: they are filled dearest first.
        root: as for :func:`at_level`.
        seed: of the draw, and of the labeller.
        quality: of the labeller; needed for a part ``nlp``.

    Raises:
        ValueError: an unknown level, a level twice, a count below 1, too few images, or no quality for ``nlp``.
    """
    _require_parts(parts, quality)
    training = section_of(datalist, "training")
    rank = {patient: place for place, patient in enumerate(shuffled_patients(training, seed))}
    left = sorted(training, key=lambda item: (rank[normalised(item.patient)], item.image))
    made: list[Item] = []
    words, facts = [], {}
    for level, count in sorted(parts, key=lambda part: (part.images is None, list(LEVELS).index(part.level))):
        fit = [item for item in left if _can_give(item, level)]
        if count is not None and len(fit) < count:
            raise ValueError(f"{datalist.name}: {count} images at level {level!r} asked, but only {len(fit)} are left.")
        chosen = fit[:count]
        taken = {item.image for item in chosen}
        left = [item for item in left if item.image not in taken]
        if level == "nlp":
            items, facts[level] = labelled(chosen, datalist.findings, quality or {}, seed)
            made += map(_by_program, items)
        else:
            made += [_item_at(item, level, root) for item in chosen]
        words.append(f"{len(chosen)} images with {_in_words(quality or {}) if level == 'nlp' else LEVELS[level]}")
    step: dict[str, object] = {"to": " + ".join(words), "sections": ["training"], "seed": seed}
    step |= {"images left out": len(left)} | ({"came to": facts} if facts else {})
    made.sort(key=lambda item: item.image)
    return degraded(datalist, {"training": made}, step)


def _item_at(item: Item, level: str, root: Path) -> Item:
    if level == "image":
        return replace(item, boxes=(), mask={}, annotated=())
    if level == "outline" or not (item.mask or item.boxes):
        return item
    boxes = _boxes(item, root)
    if level == "box":
        return replace(item, boxes=boxes, mask={})
    size = _size(item, root)
    findings = dict.fromkeys(box.finding for box in boxes)
    masks = {name: ellipses([box for box in boxes if box.finding == name], size) for name in findings}
    return replace(item, boxes=(), mask=masks)


def _boxes(item: Item, root: Path) -> tuple[Box, ...]:
    """Boxes around masks and, of findings without a mask, the boxes there are."""
    around = [box for finding, mask in item.mask.items() for box in boxes_of(_pixels(mask, root), finding)]
    return (*(box for box in item.boxes if box.finding not in item.mask), *around)


def _pixels(mask: str | RunLengths, root: Path) -> np.ndarray:
    return decode(mask) if isinstance(mask, RunLengths) else limited(read_mask, absolute_path(root.resolve(), mask))


def _size(item: Item, root: Path) -> tuple[int, int]:
    known = next((mask.size for mask in item.mask.values() if isinstance(mask, RunLengths)), None)
    return known or image_size(absolute_path(root.resolve(), item.image))


def _in_words(quality: Mapping[str, Quality]) -> str:
    """The level ``nlp`` with its F1: one for all findings, or each one's."""
    scores = {finding: f"{asked.f1:.4g}" for finding, asked in quality.items()}
    same = set(scores.values())
    told = same.pop() if len(same) == 1 else ", ".join(f"{name} {score}" for name, score in scores.items())
    return f"{LEVELS['nlp']} {told}"


def _by_program(item: Item) -> Item:
    item.source = f"NLP of {item.source}" if item.source else "NLP"
    return item


def _can_give(item: Item, level: str) -> bool:
    if level not in LOCATED:
        return True
    return bool(item.annotated) and (level != "outline" or all(box.finding in item.mask for box in item.boxes))


def _require_parts(parts: Sequence[LevelCount], quality: Mapping[str, Quality] | None) -> None:
    levels = [part.level for part in parts]
    if not parts or len(set(levels)) < len(levels) or not set(levels) <= set(LEVELS):
        raise ValueError(f"mixture of {', '.join(levels) or 'nothing'}: each once, of {', '.join(LEVELS)}.")
    if any(part.images is not None and part.images < 1 for part in parts):
        raise ValueError("mixture: every part has 1 image or more.")
    if sum(part.images is None for part in parts) > 1:
        raise ValueError("mixture: only one part can take the rest.")
    if "nlp" in levels and not quality:
        raise ValueError("mixture: a part 'nlp' needs the labeller's quality (--f1).")
