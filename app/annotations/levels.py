"""Cheaper annotations made from better ones: less exact locations, none, a report labeller's labels, and mixtures.

The levels are those of the study of annotation cost (quantity, quality and granularity): outlines drawn by
radiologists, boxes around findings, image-level labels by radiologists, and image-level labels by a program at a given
F1. Ellipses in boxes are those of Kim et al. 2023. Only the training section changes unless others are named, so that
measurements stay comparable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from app.annotations.labeller import Quality, labelled
from app.annotations.reduction import TRAINING, degraded, in_random_order, section_of
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import boxes_of, decode, ellipses
from app.datalist.validate import absolute_path
from app.files.image_names import image_size
from app.files.limited import limited
from transforms.masks import read_mask

LEVELS: Mapping[str, str] = {
    "outline": "outlines (contours) drawn around each finding",
    "ellipse": "ellipses in boxes around each finding",
    "box": "boxes around each finding",
    "image": "image-level labels: whether a finding is there, not where",
    "nlp": "image-level labels as a program that reads reports gives them, at an F1 of",
}
"""Levels of annotation, the most expensive first, in words."""

LOCATED = ("outline", "ellipse", "box")
PROGRAM = "NLP"
"""The source of labels that a program read from reports begins so."""


class LevelCount(NamedTuple):
    """How many images of a mixture are at one level; None for all that no other level takes."""

    level: str
    images: int | None


def at_level(datalist: Datalist, level: str, root: Path, sections: Sequence[str] = TRAINING) -> Datalist:
    """A datalist with locations of at most one level; labels stay.

    - ``outline``: unchanged.
    - ``box``: each region of a mask (8-connected) becomes the box around it; boxes stay.
    - ``ellipse``: as ``box``, then the union of the ellipses in the boxes becomes a mask, as run lengths.
    - ``image``: no location.

    Args:
        datalist: A datalist.
        level: One of the above; for ``nlp`` see :func:`by_labeller`.
        root: Folder that the datalist's paths are relative to. Mask files, and images whose size is needed, are read.
        sections: The sections to change.

    Raises:
        ValueError: The level or a section is unknown, or a mask or an image's size cannot be read.

    Example:
        >>> box = Box("Nodule", 2, 1, 4, 3)
        >>> item = Item("1.png", "7", (1,), boxes=(box,), annotated=("Nodule",))
        >>> at_level(Datalist.unsplit("wards", ("Nodule",), [item]), "image", Path()).items()[0].boxes
        ()
    """
    if level not in LEVELS or level == "nlp":
        raise ValueError(f"level {level!r}: must be one of {', '.join(name for name in LEVELS if name != 'nlp')}.")
    changed = {name: [_item_at(item, level, root) for item in section_of(datalist, name)] for name in sections}
    images = {level: len(changed["training"])} if "training" in changed else {}
    return degraded(datalist, changed, {"to": LEVELS[level], "sections": list(sections), "images": images})


def by_labeller(
    datalist: Datalist, quality: Mapping[str, Quality], seed: int, sections: Sequence[str] = TRAINING
) -> Datalist:
    """A datalist labelled by a program of the given quality, without locations.

    See :func:`app.annotations.labeller.labelled`, which labels each section. The source of each item names the program.

    Raises:
        ValueError: A finding or section is unknown, or these labels cannot have that quality.
    """
    changed, facts = {}, {}
    for name in sections:
        items, facts[name] = labelled(section_of(datalist, name), datalist.findings, quality, seed)
        changed[name] = [_by_program(item) for item in items]
    images = {"nlp": len(changed["training"])} if "training" in changed else {}
    step = {"to": _in_words(quality), "sections": list(sections), "seed": seed, "came to": facts, "images": images}
    return degraded(datalist, changed, step)


def mixture(
    datalist: Datalist,
    counts: Sequence[LevelCount],
    root: Path,
    seed: int,
    quality: Mapping[str, Quality] | None = None,
) -> Datalist:
    """A training section with a number of images at each level, such as 6,000 outlines and 24,000 image-level labels.

    Patients are taken in random order, each with all images, until a level has its number; the last patient's other
    images may go to the next level. Images that no level takes are left out. A located level takes only images whose
    location was annotated, outlines only those in which every box has an outline. With one seed, the 6,000 images at a
    level are among its 12,000.

    Args:
        datalist: A datalist.
        counts: Levels in any order; the most expensive is filled first.
        root: As for :func:`at_level`.
        seed: Seed of the draw, and of the labeller.
        quality: Of the labeller; needed for the level ``nlp``.

    Raises:
        ValueError: A level is unknown or given twice, a count is below 1, there are too few images, or ``nlp`` has no
            quality.
    """
    _require_counts(counts, quality)
    left = in_random_order(section_of(datalist, "training"), seed)
    items: list[Item] = []
    words, facts, images = [], {}, {}
    for level, count in sorted(counts, key=lambda part: (part.images is None, list(LEVELS).index(part.level))):
        fit = [item for item in left if _can_give(item, level)]
        if count is not None and len(fit) < count:
            raise ValueError(f"{datalist.name}: {count} images at level {level!r} asked, but only {len(fit)} are left.")
        chosen = fit[:count]
        taken = {item.image for item in chosen}
        left = [item for item in left if item.image not in taken]
        if level == "nlp":
            labels, facts[level] = labelled(chosen, datalist.findings, quality or {}, seed)
            items += map(_by_program, labels)
        else:
            items += [_item_at(item, level, root) for item in chosen]
        images[level] = len(chosen)
        words.append(f"{len(chosen)} images with {_in_words(quality or {}) if level == 'nlp' else LEVELS[level]}")
    step: dict[str, object] = {"to": " + ".join(words), "sections": ["training"], "seed": seed}
    step |= {"images": images, "images left out": len(left)} | ({"came to": facts} if facts else {})
    items.sort(key=lambda item: item.image)
    return degraded(datalist, {"training": items}, step)


def images_by_level(datalist: Datalist) -> dict[str, int]:
    """How many training images are annotated at each level.

    The last step that made levels says so. Without one, masks count as outlines; an image in which nothing was found
    counts as the most expensive located level of the others if somebody was asked to locate, and else as ``image``.

    Example:
        >>> items = [Item("1.png", "7", (1,), boxes=(Box("Nodule", 2, 1, 4, 3),), annotated=("Nodule",))]
        >>> items += [Item("2.png", "8", (0,), annotated=("Nodule",)), Item("3.png", "9", (0,))]
        >>> images_by_level(Datalist.unsplit("wards", ("Nodule",), items))
        {'box': 2, 'image': 1}
    """
    training = datalist.sections["training"]
    steps = datalist.provenance.get("degraded", [])
    for step in reversed(steps if isinstance(steps, list) else []):
        images = step.get("images") if isinstance(step, dict) else None
        if isinstance(images, dict) and sum(images.values()) == len(training):
            return dict(images)
    best = "outline" if any(item.mask for item in training) else "box"
    levels = [_level_of(item, best) for item in training]
    return {level: levels.count(level) for level in LEVELS if level in levels}


def _level_of(item: Item, best: str) -> str:
    if item.mask:
        return "outline"
    if item.boxes:
        return "box"
    if item.annotated:
        return best
    return "nlp" if item.source.startswith(PROGRAM) else "image"


def _item_at(item: Item, level: str, root: Path) -> Item:
    if level == "image":
        return replace(item, boxes=(), mask={}, annotated=())
    if level == "outline" or not item.is_located:
        return item
    boxes = _boxes(item, root.resolve())
    if level == "box":
        return replace(item, boxes=boxes, mask={})
    known = next((mask.size for mask in item.mask.values() if isinstance(mask, RunLengths)), None)
    size = known or image_size(absolute_path(root.resolve(), item.image))
    findings = dict.fromkeys(box.finding for box in boxes)
    masks = {name: ellipses([box for box in boxes if box.finding == name], size) for name in findings}
    return replace(item, boxes=(), mask=masks)


def _boxes(item: Item, root: Path) -> tuple[Box, ...]:
    """The boxes of findings without a mask, then boxes around the regions of masks."""
    boxes = [box for box in item.boxes if box.finding not in item.mask]
    for finding, mask in item.mask.items():
        pixels = decode(mask) if isinstance(mask, RunLengths) else limited(read_mask, absolute_path(root, mask))
        boxes += boxes_of(pixels, finding)
    return tuple(boxes)


def _in_words(quality: Mapping[str, Quality]) -> str:
    """The level ``nlp`` with its F1: one for all findings, or each one's."""
    scores = {finding: f"{asked.f1:.4g}" for finding, asked in quality.items()}
    if len(set(scores.values())) == 1:
        return f"{LEVELS['nlp']} {next(iter(scores.values()))}"
    return f"{LEVELS['nlp']} {', '.join(f'{name} {score}' for name, score in scores.items())}"


def _by_program(item: Item) -> Item:
    item.source = f"{PROGRAM} of {item.source}" if item.source else PROGRAM
    return item


def _can_give(item: Item, level: str) -> bool:
    if level not in LOCATED:
        return True
    return bool(item.annotated) and (level != "outline" or all(box.finding in item.mask for box in item.boxes))


def _require_counts(counts: Sequence[LevelCount], quality: Mapping[str, Quality] | None) -> None:
    levels = [part.level for part in counts]
    if not counts or len(set(levels)) < len(levels) or not set(levels) <= set(LEVELS):
        raise ValueError(f"mixture of {', '.join(levels) or 'nothing'}: each once, of {', '.join(LEVELS)}.")
    if any(part.images is not None and part.images < 1 for part in counts):
        raise ValueError("mixture: every part has 1 image or more.")
    if sum(part.images is None for part in counts) > 1:
        raise ValueError("mixture: only one part can take the rest.")
    if "nlp" in levels and not quality:
        raise ValueError("mixture: a part 'nlp' needs the labeller's quality (--f1).")
