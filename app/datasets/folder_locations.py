"""Locations in a user's own images from mask files named by a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.stored_images import bare_name
from app.files.folders import Listing, composed, list_files
from app.files.image_names import relative_image
from app.files.limited import limited
from app.findings import ABSENT, NOT_SAID, PRESENT
from transforms.masks import read_mask

_VOLUMES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
"""Formats whose headers say how an image lies in the patient."""


def with_masks(datalist: Datalist, pattern: str, root: Path, out: Path) -> Datalist:
    """A datalist with the mask files that exist, each named by the image's stem and the finding.

    A finding with a mask file was annotated; without one nothing is known about its location. A label that nobody gave
    becomes present or, if the mask is empty, absent; a label of absent stays beside a mask that is not empty, and is
    counted.

    Raises:
        ValueError: The pattern has no ``{stem}``, or no ``{finding}`` for several findings; no file fits it; or one
            fits two images.
    """
    if "{stem}" not in pattern or ("{finding}" not in pattern and len(datalist.findings) > 1):
        raise ValueError(f"--masks {pattern!r}: must hold {{stem}} and, for more than one finding, {{finding}}.")
    masks = _MaskFiles(pattern, root)
    image_of: dict[Path, str] = {}
    beside_absent = 0
    for item in datalist.items():
        for index, finding in enumerate(datalist.findings):
            path = masks.file_of(item, finding)
            if path is None:
                continue
            if image_of.setdefault(path, item.image) != item.image:
                raise ValueError(f"{path}: may be the mask of {image_of[path]} or of {item.image}, which share a name.")
            item.mask = {**item.mask, finding: relative_image(path, out)}
            item.boxes = tuple(box for box in item.boxes if box.finding != finding)
            item.annotated = tuple(dict.fromkeys((*item.annotated, finding)))
            is_drawn = bool(limited(read_mask, path).any())  # read whatever the label, as it may be ambiguous
            if item.label[index] == NOT_SAID:
                state = PRESENT if is_drawn else ABSENT
                item.label = (*item.label[:index], state, *item.label[index + 1 :])
            elif item.label[index] == ABSENT:
                beside_absent += is_drawn
    if not image_of:
        raise ValueError(f"{root}: no mask file fits {pattern!r} for any of the images.")
    counts = {
        "mask files": len(image_of),
        "left out: mask files of no image or finding": masks.fitting - len(image_of),
        **{f"left out of the masks' folder: {reason}": count for reason, count in masks.listing.left_out.items()},
    }
    if beside_absent:
        counts["labelled absent, but masked (both kept)"] = beside_absent
    return datalist.with_counts(counts)


def require_masks_as_shown(datalist: Datalist, stored: Mapping[str, Path]) -> None:
    """Refuse mask files that are shown head up by their headers, on DICOM files that are shown otherwise.

    Args:
        datalist: Items, whose masks may be files.
        stored: The file of each item's ``image``.

    Raises:
        ValueError: Names the first such mask.
    """
    volumes = {
        item.image: mask
        for item in datalist.items()
        for mask in item.mask.values()
        if isinstance(mask, str) and mask.lower().endswith(_VOLUMES)
    }
    if not volumes:
        return
    from transforms.dicom_reference import references
    from transforms.turning import AS_STORED

    for (image, mask), reference in zip(volumes.items(), references([stored[name] for name in volumes]), strict=True):
        if reference.turn != AS_STORED:
            raise ValueError(
                f"{mask}: lies as its header says, head up, but {image} is shown as it is stored, which its Image "
                "Orientation (Patient) says is not head up. Read such masks by --annotations, which turns them."
            )


class _MaskFiles:
    """The files in the folder that a pattern begins with, by their names below it.

    Attributes:
        listing: Of that folder; empty if it does not exist.
        fitting: How many of its files fit the pattern, whatever image or finding they name.
    """

    def __init__(self, pattern: str, root: Path) -> None:
        parts = Path(pattern).parts
        fixed = next(index for index, part in enumerate(parts) if "{" in part)
        folder, self._pattern = root.joinpath(*parts[:fixed]), "/".join(parts[fixed:])
        self.listing = list_files(folder) if folder.is_dir() else Listing(folder, ())
        self._files = {composed(name): self.listing.folder / name for name in self.listing.names}
        fits = re.compile(re.sub(r"\\\{(stem|finding)\\\}", "[^/]*", re.escape(self._pattern)))
        self.fitting = sum(fits.fullmatch(name) is not None for name in self._files)

    def file_of(self, item: Item, finding: str) -> Path | None:
        """The mask of a finding in an item's image, or None."""
        for spelling in (finding, finding.casefold().replace(" ", "_"), finding.replace(" ", "_")):
            name = composed(self._pattern.replace("{stem}", bare_name(item.image)).replace("{finding}", spelling))
            if name in self._files:
                return self._files[name]
        return None
