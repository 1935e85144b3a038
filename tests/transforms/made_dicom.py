"""Small DICOM radiographs, made for tests."""

from io import BytesIO

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence


def dataset(pixels, changes=None, syntax=uid.ExplicitVRLittleEndian):
    """A DX image; ``changes`` replaces elements, and removes those whose value is None."""
    pixels = np.asarray(pixels)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    elements = {
        "Modality": "DX",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": pixels.itemsize * 8,
        "BitsStored": pixels.itemsize * 8,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes(),
    } | (changes or {})
    elements.setdefault("HighBit", elements["BitsStored"] - 1 if elements["BitsStored"] else None)
    for keyword, value in elements.items():
        if value is not None:
            setattr(made, keyword, value)
    made["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    return made


def content(made):
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def lut(descriptor, data):
    """A look-up table with its data written as numbers (US), or as words or bytes (OW) where they are bytes."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if descriptor[1] < 0 else "US", descriptor)
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return Sequence([item])
