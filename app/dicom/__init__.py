"""Results as standard DICOM objects, and the way from a PACS and back."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.dicom.folder import DicomResults

__all__ = ["DicomResults"]


def __getattr__(name: str) -> object:
    """Import results when they are asked for: they bring torch, which codes, identity and kinds do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(importlib.import_module("app.dicom.folder"), name)
