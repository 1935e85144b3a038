"""Find one image under two names: the same file, the same pixels, or nearly the same picture."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.item import Datalist, Item
from app.files.image_names import image_sizes
from app.files.limited import limited
from transforms.errors import RadiographError

if TYPE_CHECKING:
    import numpy as np

ALIKE = 0.985
"""Correlation of two thumbnails from which on they count as one picture.

Of 311,894 pairs of 791 ChestX-ray14 images of different patients none reached 0.96. An image and itself stayed above
0.985 when it was halved, stored as JPEG of quality 30, windowed to its inner 96% or given a gamma of 0.7 or 1.4. With
1% of each side cut off, 99 of 100 reached 0.977; a larger cut or equalised contrast is not recognised.
"""
THUMBNAIL = 32
"""Side of a thumbnail, in pixels."""
_NAMED = 3
_BLOCK = 1024

Placed = tuple[str, Item]
"""A section and an item in it."""


@dataclass(frozen=True, slots=True)
class Content:
    """What comparing the pixels of a datalist's images shows.

    Attributes:
        problems: Images of the same pixels in two sections, and images that cannot be read although their headers can.
        notes: Images that look nearly the same in two sections, images of the same pixels in one section, and how many
            images cannot be read.
    """

    problems: list[str]
    notes: list[str]


def crossing_files(datalist: Datalist, root: Path) -> list[str]:
    """One problem if a file is in two sections under two names (links, hard links, spellings); else an empty list.

    Files that do not exist are skipped.
    """
    return _crossing(_same_files(datalist, root), "image file", "one file")


def kept_together(
    datalist: Datalist, root: Path, share_out: Callable[[Datalist], Sequence[Datalist]]
) -> list[Datalist]:
    """Split a datalist so that patients who share an image file stay together, and no file crosses sections.

    Args:
        datalist: Its files, if they exist, are below ``root``.
        root: The folder that its paths are relative to.
        share_out: Gives datalists of the same items in other sections, patient by patient.

    Returns:
        The result of ``share_out``, in which every item has its own patient; the provenance counts such patients.
    """
    representative = _representatives(_same_files(datalist, root))
    if not representative:
        return list(share_out(datalist))
    items = {item.image: item for item in datalist.items()}
    joined = datalist.mapped(lambda item: replace(item, patient=representative.get(item.patient, item.patient)))
    count = {"patients kept together, as they have an image file in common": len(representative)}
    return [split.mapped(lambda item: items[item.image]).with_counts(count) for split in share_out(joined)]


def content(datalist: Datalist, root: Path) -> Content:
    """Compare the pixels of all images, which reads every file.

    Decoded pixels are compared, so that a copy is found whatever its format. Two images in different sections and of
    different patients look nearly the same if their thumbnails, without mean and contrast, correlate by ``ALIKE``.
    """
    from tqdm import tqdm

    base = root.resolve()
    placed = [(section, item) for section, items in datalist.sections.items() for item in items]
    paths = [os.path.join(base, item.image) for _, item in placed]  # noqa: PTH118
    looks = [_look_or_error(path) for path in tqdm(paths, desc="comparing images", unit="image", disable=None)]
    same: dict[str, list[Placed]] = defaultdict(list)
    seen: list[tuple[Placed, np.ndarray]] = []
    unread: list[tuple[Placed, str, str]] = []
    for image, path, look in zip(placed, paths, looks, strict=True):
        if isinstance(look, str):
            unread.append((image, path, look))
        else:
            same[look[0]].append(image)
            seen.append((image, look[1]))
    groups = [group for group in same.values() if len(group) > 1]
    notes = _within(groups) + _alike(seen)
    if unread:
        notes.append(f"{len(unread)} of {len(placed)} images cannot be read, so their pixels were not compared.")
    sizes = image_sizes(Path(path) for _, path, _ in unread)
    problems = [
        f"{_named(image)}: {error}"
        for image, path, error in unread
        if not isinstance(sizes[Path(path)], ValueError)  # an unreadable header is reported by `file_problems`
    ]
    return Content(_crossing(groups, "image", "the same pixels") + problems, notes)


def _same_files(datalist: Datalist, root: Path) -> list[list[Placed]]:
    """Groups of items whose images are one file, by the file's device and number."""
    base = root.resolve()
    found: dict[tuple[int, int], list[Placed]] = defaultdict(list)
    for section, items in datalist.sections.items():
        for item in items:
            try:
                state = os.stat(os.path.join(base, item.image))  # noqa: PTH116, PTH118 - 3 times faster
            except (OSError, ValueError):  # ValueError: a NUL in the name
                continue
            found[state.st_dev, state.st_ino].append((section, item))
    return [group for group in found.values() if len(group) > 1]


def _representatives(groups: Iterable[Sequence[Placed]]) -> dict[str, str]:
    """For patients who share a file with others: the one among them who stands for all."""
    chosen: dict[str, str] = {}

    def representative(patient: str) -> str:
        while chosen.get(patient, patient) != patient:
            patient = chosen[patient]
        return patient

    for group in groups:
        patients = sorted({representative(item.patient) for _, item in group})
        if len(patients) > 1:
            chosen |= dict.fromkeys(patients, patients[0])
    return {patient: representative(patient) for patient in chosen}


def _look_or_error(path: str) -> tuple[str, np.ndarray] | str:
    """:func:`_look` within limits of time and memory; if the image cannot be read, the error's text."""
    try:
        return limited(_look, path)
    except RadiographError as error:
        return str(error)


def _look(path: str) -> tuple[str, np.ndarray]:
    """A hash of an image's pixels, and its thumbnail as a vector of mean 0 and length 1."""
    import cv2
    import numpy as np

    from transforms.read import read_radiograph

    image, _ = read_radiograph(path)
    digest = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel()
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return digest, (small / length if length > 0 else small).astype(np.float16)


def _alike(seen: Sequence[tuple[Placed, np.ndarray]]) -> list[str]:
    """A note on pictures of two patients that look nearly the same in two sections."""
    import numpy as np

    pairs: list[tuple[Placed, Placed]] = []
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
    count = "1 pair of images in two sections looks"
    if len(pairs) > 1:
        count = f"{len(pairs)} pairs of images in two sections look"
    return [f"{count} the same, under two patients: {named}. Look at them: they may be one image, stored twice."]


def _within(groups: Iterable[Sequence[Placed]]) -> list[str]:
    """A note on images of the same pixels in one section."""
    copies = [group for group in groups if len({section for section, _ in group}) == 1]
    if not copies:
        return []
    named = "; ".join(" and ".join(map(_named, group[:2])) for group in copies[:_NAMED])
    count = sum(len(group) - 1 for group in copies)
    have = "image has" if count == 1 else "images have"
    return [f"{count} {have} the same pixels as another image of the section: {named}."]


def _crossing(groups: Iterable[Sequence[Placed]], what: str, kind: str) -> list[str]:
    crossing = [group for group in groups if len({section for section, _ in group}) > 1]
    if not crossing:
        return []
    named = []
    for group in crossing[:_NAMED]:
        first = group[0]
        named.append(f"{_named(first)} and {_named(next(other for other in group if other[0] != first[0]))}")
    count = f"{len(crossing)} {what}{'s are' if len(crossing) > 1 else ' is'}"
    return [f"{count} in more than one section, {kind} under two names: {'; '.join(named)}. Keep it in one of them."]


def _named(placed: Placed) -> str:
    return f"{placed[1].image} ({placed[0]})"
