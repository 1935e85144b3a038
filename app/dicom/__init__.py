"""Results as standard DICOM objects, and the way from a PACS and back."""

from app.dicom.folder import DicomResults

__all__ = ["DicomResults"]
