"""Masks as files: one for each finding, or label maps whose values or segments have names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from app.annotation_formats.label_maps import ValueMasks, value_masks
from app.annotation_formats.marks import AnnotatedImage, AnnotationFile, Mark, Raster
from app.annotation_formats.slicer import Segment, segments
from app.datalist.item import RunLengths
from app.datalist.stored_images import stem
from app.files.limited import limited

_MASK_WORDS = ("mask", "masks", "seg", "segmentation", "label", "labels", "labelmap", "annotation", "untitled")
"""Ends of the names of masks that say nothing about the finding."""


def read_masks(
    path: Path, files: Sequence[Path], named: Mapping[int, str], is_finding: Callable[[str], bool]
) -> AnnotationFile:
    """Read the mask files of a folder.

    A mask is of the finding that ends its name (``7_pleural_effusion.png``) or is its folder's name
    (``pneumothorax/7.png``); then this finding was asked for in its image. Otherwise its values have names, by segments
    in its own header (3D Slicer), by ``named``, or as numbers; then every name that any such file of the folder has was
    asked for in all their images.

    Args:
        path: The folder, for messages.
        files: PNG, TIFF, BMP, NIfTI, NRRD or MetaImage files.
        named: Names of values.
        is_finding: Whether a name is that of a finding.

    Raises:
        AnnotationError: A header's segments are damaged.
        RadiographError: A file cannot be read.
    """
    result = AnnotationFile(path, "masks")
    asked: dict[str, None] = {}
    maps: list[AnnotatedImage] = []
    for file in files:
        masks = limited(value_masks, file)
        names, finding = image_names(file, path, is_finding)
        image = AnnotatedImage(names, str(file))
        whole = segments(masks.pairs, str(file))
        if whole:
            image.marks = list(_segment_marks(masks, whole, str(file)))
            image.asked = tuple(segment.name for segment in whole)
        elif finding and len(masks.masks) < 2:
            image.marks = [Mark(finding, _raster(masks, mask), str(file)) for mask in masks.masks.values()]
            image.asked = (finding,)
        else:
            image.marks = [
                Mark(_name(value, named, is_finding), _raster(masks, mask), f"{file}, value {value}")
                for (_, value), mask in masks.masks.items()
            ]
            asked |= dict.fromkeys(mark.name for mark in image.marks)
            maps.append(image)
        result.images.append(image)
    asked |= dict.fromkeys(_name(value, named, is_finding) for value in named if maps)
    for image in maps:
        image.asked = tuple(name for name in asked if is_finding(name))
    return result


def image_names(file: Path, folder: Path, is_finding: Callable[[str], bool]) -> tuple[tuple[str, ...], str]:
    """Names that the image of a mask file may have, the likeliest first, and the finding in the file's name.

    Example:
        >>> image_names(Path("m/7_pleural_effusion.png"), Path("m"), {"pleural_effusion"}.__contains__)
        (('7_pleural_effusion', '7'), 'pleural_effusion')
    """
    whole = stem(file.relative_to(folder).as_posix())
    above, _, name = whole.rpartition("/")
    finding, names = "", [name]
    ends = [match.start() for match in re.finditer(r"[_\-. ]", name)][::-1]
    for end in ends:
        if name[end + 1 :].casefold() in _MASK_WORDS and end:
            names.append(name[:end])
    for end in [len(name), *ends]:  # of "7_lung_nodule_mask" the finding is "lung_nodule"
        start = next((at for at in reversed(ends) if at < end and is_finding(name[at + 1 : end])), 0)
        rest = name[end + 1 :].casefold()
        if start and (not rest or rest in _MASK_WORDS):
            finding = name[start + 1 : end]
            names.append(name[:start])
            break
    if not finding:
        finding = next((part for part in reversed(above.split("/")) if part and is_finding(part)), "")
        finding = finding or (folder.name if is_finding(folder.name) else "")
    paths = [f"{above}/{each}" for each in names] if above else []
    return tuple(dict.fromkeys([*paths, *names])), finding


def _segment_marks(masks: ValueMasks, whole: Sequence[Segment], file: str) -> Iterator[Mark]:
    if masks.size == (1, 1):  # what 3D Slicer saves if there is nothing in any segment
        return
    for segment in whole:
        mask = masks.masks.get((segment.layer, segment.value))
        if mask is not None:
            yield Mark(segment.name, Raster(mask, masks.turn, segment.offset, True), f"{file}, segment {segment.name}")


def _raster(masks: ValueMasks, mask: RunLengths) -> Raster:
    return Raster(mask, masks.turn, None, masks.is_anatomical)


def _name(value: int, named: Mapping[int, str], is_finding: Callable[[str], bool]) -> str:
    """The name of a value: its number, if that was given a meaning, or what a file of names calls it."""
    return str(value) if is_finding(str(value)) else named.get(value, str(value))
