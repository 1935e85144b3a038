"""One image under two names: the same file, the same pixels, or nearly the same picture, in two sections."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import with_counts
from app.files.image_names import image_sizes
from app.files.limited import limited
from transforms.errors import RadiographError

if TYPE_CHECKING:
    import numpy as np

ALIKE = 0.985
"""Correlation of two thumbnails from which on they are taken for one picture.

Of 311,894 pairs of 791 ChestX-ray14 images of different patients none reached 0.96. One image against itself stayed
above 0.985 when it was halved, stored as JPEG of quality 30, windowed to its inner 96% or given a gamma of 0.7 or 1.4;
when 1% of each side was cut off, 0.977 in 99 of 100; a larger cut or equalised contrast hides it.
"""
THUMBNAIL = 32
"""Pixels of a thumbnail's side."""
_NAMED = 3
_BLOCK = 1024

Place = tuple[str, Item]
"""A section and an item in it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the pixels of a datalist's images show.

    Attributes:
        problems: images of the same pixels in two sections, and images that cannot be read though their headers can.
        notes: images that are nearly the same in two sections, images of the same pixels within one, and how many
            images cannot be read.
    """

    problems: list[str]
    notes: list[str]


def crossing_files(datalist: Datalist, root: Path) -> list[str]:
    """One problem where a file is in two sections under two names (links, hard links, spellings); else an empty list.

    Files that are not there are not looked at.
    """
    return _crossing(same_files(datalist, root).values(), "image file", "one file")


def same_files(datalist: Datalist, root: Path) -> dict[tuple[int, int], list[Place]]:
    """Items whose images are one file, by the file's device and number; files of one item are left out."""
    base = root.resolve()
    found: dict[tuple[int, int], list[Place]] = defaultdict(list)
    for section, items in datalist.sections.items():
        for item in items:
            try:
                state = os.stat(os.path.join(base, item.image))  # noqa: PTH116, PTH118 - 3 times faster
            except (OSError, ValueError):  # the latter for a NUL in its name
                continue
            found[state.st_dev, state.st_ino].append((section, item))
    return {key: places for key, places in found.items() if len(places) > 1}


def kept_together(
    datalist: Datalist, root: Path, share_out: Callable[[Datalist], Sequence[Datalist]]
) -> list[Datalist]:
    """Share items out with patients who have an image file in common taken for one, so that no file is torn apart.

    Args:
        datalist: whose files lie below ``root``, where they are there at all.
        root: the folder that its paths are relative to.
        share_out: gives datalists of the same items in other sections, patient by patient.

    Returns:
        What ``share_out`` gives, every item with its own patient; the count of such patients is in the provenance.
    """
    owner = _owners(same_files(datalist, root).values())
    if not owner:
        return list(share_out(datalist))
    items = {item.image: item for items in datalist.sections.values() for item in items}
    joined = {
        section: [replace(item, patient=owner.get(item.patient, item.patient)) for item in items]
        for section, items in datalist.sections.items()
    }
    count = {"patients kept together, as they have an image file in common": len(owner)}
    return [
        with_counts(
            replace(
                made, sections={name: [items[item.image] for item in part] for name, part in made.sections.items()}
            ),
            count,
        )
        for made in share_out(replace(datalist, sections=joined))
    ]


def content(datalist: Datalist, root: Path) -> Content:
    """Compare the pixels of all images; every file is read.

    Pixels are compared as they are read, so that a copy counts in whatever format it is stored. Nearly the same are
    two images in different sections and of different patients whose thumbnails, without their mean and contrast,
    correlate by ``ALIKE`` or more.
    """
    from tqdm import tqdm

    base = root.resolve()
    places = [(section, item) for section, items in datalist.sections.items() for item in items]
    paths = [os.path.join(base, item.image) for _, item in places]  # noqa: PTH118
    looks = [_looked_at(path) for path in tqdm(paths, desc="comparing images", unit="image", disable=None)]
    same: dict[str, list[Place]] = defaultdict(list)
    seen: list[tuple[Place, np.ndarray]] = []
    unread: list[tuple[Place, str, str]] = []
    for place, path, look in zip(places, paths, looks, strict=True):
        if isinstance(look, str):
            unread.append((place, path, look))
        else:
            same[look[0]].append(place)
            seen.append((place, look[1]))
    groups = [group for group in same.values() if len(group) > 1]
    notes = _within(groups) + _alike(seen)
    if unread:
        notes.append(f"{len(unread)} of {len(places)} images cannot be read, so that nothing is known of their pixels.")
    # Where the header cannot be read either, `file_problems` says so.
    sizes = image_sizes(Path(path) for _, path, _ in unread)
    problems = [
        f"{_named(place)}: {error}" for place, path, error in unread if not isinstance(sizes[Path(path)], ValueError)
    ]
    return Content(_crossing(groups, "image", "the same pixels") + problems, notes)


def _looked_at(path: str) -> tuple[str, np.ndarray] | str:
    """:func:`_look`, within limits of time and memory; where the image cannot be read, the error's text."""
    try:
        return limited(_look, path)
    except RadiographError as error:
        return str(error)


def _look(path: str) -> tuple[str, np.ndarray]:
    """Hash of an image's pixels, and its thumbnail as a vector of mean 0 and length 1."""
    import cv2
    import numpy as np

    from transforms.read import read_radiograph

    image, _ = read_radiograph(path)
    digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return digest, (small / length if length > 0 else small).astype(np.float16)


def _alike(seen: Sequence[tuple[Place, np.ndarray]]) -> list[str]:
    """A note on pictures that are nearly the same in two sections."""
    import numpy as np

    pairs: list[tuple[Place, Place]] = []
    vectors = np.stack([vector for _, vector in seen]) if seen else np.zeros((0, 1), dtype=np.float16)
    for start in range(0, len(seen), _BLOCK):
        block = vectors[start : start + _BLOCK].astype(np.float32)
        for other in range(start, len(seen), _BLOCK):
            close = block @ vectors[other : other + _BLOCK].astype(np.float32).T >= ALIKE
            for row, column in zip(*np.nonzero(close), strict=True):
                first, second = seen[start + row][0], seen[other + column][0]
                if start + row < other + column and first[0] != second[0] and first[1].patient != second[1].patient:
                    pairs.append((first, second))
    if not pairs:
        return []
    named = "; ".join(" and ".join(map(_named, pair)) for pair in pairs[:_NAMED])
    count = (
        f"{len(pairs)} pairs of images in two sections look"
        if len(pairs) > 1
        else "1 pair of images in two sections looks"
    )
    return [f"{count} the same, under two patients: {named}. Look at them: they may be one image, stored twice."]


def _within(groups: Iterable[Sequence[Place]]) -> list[str]:
    copies = [group for group in groups if len({section for section, _ in group}) == 1]
    if not copies:
        return []
    named = "; ".join(" and ".join(map(_named, group[:2])) for group in copies[:_NAMED])
    count = sum(len(group) - 1 for group in copies)
    have = (
        "images have the same pixels as another of their"
        if count > 1
        else "image has the same pixels as another of its"
    )
    return [f"{count} {have} section: {named}."]


def _crossing(groups: Iterable[Sequence[Place]], what: str, kind: str) -> list[str]:
    crossing = [group for group in groups if len({section for section, _ in group}) > 1]
    if not crossing:
        return []
    named = []
    for group in crossing[:_NAMED]:
        first = group[0]
        named.append(f"{_named(first)} and {_named(next(place for place in group if place[0] != first[0]))}")
    count = f"{len(crossing)} {what}{'s are' if len(crossing) > 1 else ' is'}"
    return [f"{count} in more than one section, {kind} under two names: {'; '.join(named)}. Keep it in one of them."]


def _named(place: Place) -> str:
    return f"{place[1].image} ({place[0]})"


def _owners(groups: Iterable[Sequence[Place]]) -> dict[str, str]:
    """For patients who have a file in common with others: the one of them who stands for all."""
    owner: dict[str, str] = {}

    def standing(patient: str) -> str:
        while owner.get(patient, patient) != patient:
            patient = owner[patient]
        return patient

    for group in groups:
        patients = sorted({standing(item.patient) for _, item in group})
        if len(patients) > 1:
            owner |= dict.fromkeys(patients, patients[0])
    return {patient: standing(patient) for patient in owner}
