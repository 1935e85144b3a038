"""Results as standard DICOM objects, and the way from a PACS and back."""

from typing import TYPE_CHECKING

from transforms.lazy_names import lazy_names

if TYPE_CHECKING:
    from app.dicom.folder import DicomResults

__all__ = ["DicomResults"]
# Results bring torch, which codes, identity and kinds do without.
__getattr__ = lazy_names(__name__, {"DicomResults": "app.dicom.folder"})
