"""Fingerprints that tell datalists apart: one of the items' content, one of the split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import takewhile

import orjson

from app.datalist.item import Datalist, Item
from app.datalist.records import item_record


def fingerprint(datalist: Datalist) -> str:
    """16 hexadecimal digits that depend on the findings and the items' content, not on order or sections.

    They do not depend on where the files are either: paths count from the folder that holds all images (or masks).
    """
    items = datalist.items()
    image = shared_folder_length(item.image for item in items)
    mask = shared_folder_length(mask for item in items for mask in item.mask.values() if isinstance(mask, str))
    digest = hashlib.sha256(orjson.dumps(datalist.findings))
    for number, line in enumerate(sorted(_canonical(item, image, mask) for item in items)):
        digest.update(f"\n{line}".encode() if number else line.encode())
    return digest.hexdigest()[:16]


def split_fingerprint(datalist: Datalist) -> str:
    """16 hexadecimal digits that depend on which image is in which section, and on nothing else.

    Paths count from the folder that holds all images, so that a split is recognised wherever the files are.
    """
    start = shared_folder_length(item.image for item in datalist.items())
    lines = [f"{item.image[start:]}\t{section}" for section, items in datalist.sections.items() for item in items]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def shared_folder_length(paths: Iterable[str]) -> int:
    """How many characters at the start of all paths name the folder that they share."""
    names = sorted(set(paths))
    if not names:
        return 0
    # All paths share what the first and the last in sorted order share.
    pairs = zip(names[0].split("/")[:-1], names[-1].split("/")[:-1], strict=False)
    return sum(len(folder) + 1 for folder, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _canonical(item: Item, image_start: int, mask_start: int) -> str:
    record = item_record(item) | {"annotated": sorted(item.annotated), "image": item.image[image_start:]}
    if item.mask:
        masks = record["mask"].items()
        record["mask"] = {name: mask[mask_start:] if isinstance(mask, str) else mask for name, mask in masks}
    record["boxes"] = sorted([box.finding, *map(float, box[1:5]), box.reader] for box in item.boxes)
    # As text, which sorts alike: bytes by orjson keep the memory of its large buffer.
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS).decode()
