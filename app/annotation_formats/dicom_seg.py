"""DICOM segmentation objects, which name their segments and refer to the radiograph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.annotation_formats.dicom_sr import OWN
from app.annotation_formats.marks import AnnotatedImage, AnnotationError, AnnotationFile, Mark, Raster
from app.datalist.item import RunLengths
from app.datalist.run_lengths import encode
from app.datalist.stored_images import stem
from app.files.limited import limited

if TYPE_CHECKING:
    import numpy as np
    from pydicom.dataset import Dataset

CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage."""
_BACKGROUND = "125040"
"""DICOM's code of the segment of label maps that is no region."""


class _Frame(NamedTuple):
    """What one frame says of one segment of one image."""

    names: tuple[str, ...]
    instance: str
    mask: RunLengths


def read_dicom_seg(path: Path, files: Sequence[Path], is_finding: Callable[[str], bool]) -> AnnotationFile:
    """Read segmentation objects; each of an object's segments was asked for in every image that it refers to.

    Objects that a network of ours wrote are left out and counted. A fraction counts as the finding from one half of the
    largest possible value, or from 1 if no value is larger: dcmjs, by which older OHIF writes, calls a binary mask
    fractional to compress it, and leaves its ones. A segment is called by its label, or, if that is no finding, by its
    description or the meaning of its code.

    Args:
        path: The folder, for messages.
        files: The objects.
        is_finding: Whether a name is that of a finding.

    Raises:
        AnnotationError: A file cannot be read, or it refers to no image.
    """
    result = AnnotationFile(path, "DICOM SEG")
    for file in files:
        names, frames, images, kind = limited(_content, file)
        result.counts["segmentations of our own networks (left out)"] += kind == OWN
        result.counts["fractional segmentations (cut at one half)"] += kind == "FRACTIONAL"
        chosen = [next(filter(is_finding, each), each[0]) for each in names]
        by_names = dict(zip(names, chosen, strict=True))
        for instance in images:
            marks = [
                Mark(by_names[frame.names], Raster(frame.mask), f"{file}, segment {by_names[frame.names]}")
                for frame in frames
                if frame.instance == instance
            ]
            image_names = (stem(file.name), instance)
            result.images.append(
                AnnotatedImage(image_names, str(file), marks=marks, asked=tuple(chosen), instance=instance)
            )
    return result


def _content(file: Path) -> tuple[list[tuple[str, ...]], list[_Frame], list[str], str]:
    """The segments' possible names, the frames that are not empty, the images referred to, and the kind; or `OWN`."""
    import pydicom

    try:
        dataset = pydicom.dcmread(file)
        if dataset.get("Manufacturer") == OWN:
            return [], [], [], OWN
        regions = [segment for segment in dataset.SegmentSequence if not _is_background(segment)]
        names = {int(segment.SegmentNumber): _names(segment) for segment in regions}
        images = _images(dataset)
        pixels = dataset.pixel_array
        kind = _kind(dataset, pixels)
        frames = list(_frames(dataset, kind, pixels, names, images))
    except AnnotationError as error:
        raise AnnotationError(f"{file}: {error}") from error
    except Exception as error:  # pydicom and its decoders raise many kinds
        raise AnnotationError(
            f"{file}: cannot be read as a DICOM segmentation ({type(error).__name__}): damaged, truncated, or without "
            "segments; export it again."
        ) from error
    return list(names.values()), frames, images, kind


def _kind(dataset: Dataset, pixels: np.ndarray) -> str:
    """The type of a segmentation, by its pixels if it calls a binary one fractional."""
    kind = str(dataset.get("SegmentationType", "BINARY")).upper()
    return "BINARY" if kind == "FRACTIONAL" and pixels.max() == 1 else kind


def _frames(
    dataset: Dataset, kind: str, pixels: np.ndarray, names: Mapping[int, tuple[str, ...]], images: Sequence[str]
) -> Iterator[_Frame]:
    """The frames in which anything is drawn; of label maps, one for each segment in them."""
    for index, values in enumerate(pixels[None] if pixels.ndim == 2 else pixels):
        number, instance = _references(dataset, index, images)
        if kind == "LABELMAP":
            masks = {key: values == key for key in names}
        elif kind == "FRACTIONAL":
            masks = {number: 2 * values.astype(int) >= int(dataset.MaximumFractionalValue)}
        else:
            masks = {number: values > 0}
        for key, mask in masks.items():
            if mask.any():
                yield _Frame(names[key], instance, encode(mask))


def _is_background(segment: Dataset) -> bool:
    codes = segment.get("SegmentedPropertyTypeCodeSequence", [])
    return any((code.get("CodingSchemeDesignator"), code.get("CodeValue")) == ("DCM", _BACKGROUND) for code in codes)


def _names(segment: Dataset) -> tuple[str, ...]:
    """What a segment may be called: its label, its description, and the meaning of the codes of its type."""
    codes = segment.get("SegmentedPropertyTypeCodeSequence", [])
    texts = [
        segment.get("SegmentLabel"),
        segment.get("SegmentDescription"),
        *(code.get("CodeMeaning") for code in codes),
    ]
    return tuple(str(text).strip() for text in texts if text) or (f"segment {segment.SegmentNumber}",)


def _images(dataset: Dataset) -> list[str]:
    """SOP Instance UIDs of the images that a segmentation refers to."""
    series = dataset.get("ReferencedSeriesSequence", [])
    listed = [
        str(each.ReferencedSOPInstanceUID) for one in series for each in one.get("ReferencedInstanceSequence", [])
    ]
    groups = [*dataset.get("SharedFunctionalGroupsSequence", []), *dataset.get("PerFrameFunctionalGroupsSequence", [])]
    return list(dict.fromkeys([*listed, *(uid for group in groups for uid in _sources(group))]))


def _sources(group: Dataset) -> list[str]:
    return [
        str(source.ReferencedSOPInstanceUID)
        for derivation in group.get("DerivationImageSequence", [])
        for source in derivation.get("SourceImageSequence", [])
    ]


def _references(dataset: Dataset, index: int, images: Sequence[str]) -> tuple[int, str]:
    """The number of a frame's segment, and the image that the frame is of."""
    shared = dataset.get("SharedFunctionalGroupsSequence", [])
    frames = dataset.get("PerFrameFunctionalGroupsSequence", [])
    groups = [*([frames[index]] if index < len(frames) else []), *shared]
    numbers = [
        int(each.ReferencedSegmentNumber) for group in groups for each in group.get("SegmentIdentificationSequence", [])
    ]
    sources = [uid for group in groups for uid in _sources(group)] or list(images)
    if len(set(sources)) != 1:
        raise AnnotationError(f"frame {index + 1} refers to {len(set(sources))} images, not to the one that it is of.")
    return (numbers[0] if numbers else int(dataset.SegmentSequence[0].SegmentNumber)), sources[0]
