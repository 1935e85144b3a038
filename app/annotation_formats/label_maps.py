"""Label maps as run lengths, one for each value, and the names that other files give to values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.annotation_formats.documents import read_json, read_text
from app.annotation_formats.marks import AnnotationError
from app.datalist.item import RunLengths
from app.datalist.run_lengths import encode
from transforms.label_maps import picture_labels, read_label_map
from transforms.turning import Turn

_ITK_SNAP = re.compile(r'\s*(\d+)(?:\s+\d+){3}\s+[\d.]+\s+[01]\s+[01]\s+"(.*)"\s*')
"""Number, red, green, blue, opacity, visible, in three dimensions, name."""


class ValueMasks(NamedTuple):
    """The masks in a label map.

    Attributes:
        size: (height, width) as shown.
        masks: By (layer, value), for every value that is not 0.
        turn: From stored to shown.
        is_anatomical: Whether it is shown by how its axes lie in the patient.
        pairs: Key/value pairs of an NRRD header.
    """

    size: tuple[int, int]
    masks: Mapping[tuple[int, int], RunLengths]
    turn: Turn
    is_anatomical: bool
    pairs: Mapping[str, str]


def value_masks(path: Path) -> ValueMasks:
    """The masks in a file; errors are those of `transforms.label_maps.read_label_map`."""
    label_map = read_label_map(path)
    masks = {
        (index, int(value)): encode(layer == value)
        for index, layer in enumerate(label_map.layers)
        for value in np.unique(layer)
        if value
    }
    height, width = label_map.layers.shape[1:]
    return ValueMasks((height, width), masks, label_map.turn, label_map.is_anatomical, label_map.pairs)


def mask_in_picture(content: bytes) -> RunLengths:
    """The pixels that are not 0 in the bytes of a picture.

    Raises:
        RadiographError: It cannot be read as a mask.
    """
    return encode(picture_labels(content) != 0)


def looks_like_itk_snap(text: str) -> bool:
    """Whether a text is the description of labels that ITK-SNAP saves."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return bool(lines) and all(_ITK_SNAP.fullmatch(line) for line in lines)


def itk_snap_names(path: Path) -> dict[int, str]:
    """Names by value, from a description of labels that ITK-SNAP saved."""
    found = (_ITK_SNAP.fullmatch(line) for line in read_text(path).splitlines())
    return {int(match[1]): match[2] for match in found if match and int(match[1])}


def looks_like_value_names(content: object) -> bool:
    """Whether a value of JSON names the values of label maps: ``{"1": "Effusion"}``, or nnU-Net's ``labels``."""
    return isinstance(content, dict) and bool(_by_value(content.get("labels", content)))


def value_names(path: Path) -> dict[int, str]:
    """Names by value, from such a JSON file.

    Raises:
        AnnotationError: It is none.
    """
    content = read_json(path)
    names = _by_value(content.get("labels", content)) if isinstance(content, dict) else {}
    if not names:
        raise AnnotationError(f'{path}: must be an object of values and names, such as {{"1": "Effusion"}}.')
    return {value: name for value, name in names.items() if value}


def _by_value(content: Any) -> dict[int, str]:  # noqa: ANN401 - JSON
    if not isinstance(content, dict):
        return {}
    if content and all(key.isdecimal() and isinstance(name, str) for key, name in content.items()):
        return {int(key): name for key, name in content.items()}
    if content and all(type(value) is int and value >= 0 for value in content.values()) and 0 in content.values():
        return {value: name for name, value in content.items()}
    return {}
