"""Kinds of DICOM results."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """Kinds of results, by the names that settings use."""

    REPORT = "sr"
    SEGMENTATION = "seg"
    PRESENTATION = "gsps"
    CAPTURE = "sc"
    PLAIN_SEGMENTATION = "plain_seg"
