"""The radiograph with what is called drawn into it, as a secondary capture, which every viewer shows."""

from __future__ import annotations

import datetime

import cv2
import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from app.dicom.header import set_laterality
from app.dicom.identity import Algorithm
from app.dicom.kinds import Kind
from app.dicom.parts import finish, note, series, set_equipment
from app.dicom.result import DOUBT, RadiographResult
from app.engines.overlay import Region, colour_of, overlay


def secondary_capture(
    header: Dataset, result: RadiographResult, algorithm: Algorithm, now: datetime.datetime
) -> Dataset:
    """Draw called findings into a copy of the radiograph of at most 1,024 pixels.

    Args:
        header: Of the radiograph, from `complete_header`.
        result: What the network says.
        algorithm: What made it.
        now: When.
    """
    nowhere = np.zeros(result.image.shape, dtype=np.float32)
    regions = [
        Region(
            f"{each.name} {each.probability:.2f}",
            nowhere if each.mask is None else each.mask.astype(np.float32),
            0.5,
            colour_of(number),
        )
        for number, each in enumerate(result.findings)
        if each.is_present
    ]
    line = note() if regions else f"{note()}: nothing called"
    doubt = [Region(DOUBT, nowhere, 0.5)] if result.is_doubtful else []
    picture = overlay(result.image, [*doubt, *regions], line)
    written = hd.sc.SCImage.from_ref_dataset(
        header,
        cv2.cvtColor(picture, cv2.COLOR_BGR2RGB),
        hd.PhotometricInterpretationValues.RGB,
        8,
        hd.CoordinateSystemNames.PATIENT,
        **series(header, algorithm, Kind.CAPTURE),
        # Required by highdicom; what the header says, or nothing, stands there below.
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    set_equipment(written, algorithm)
    written.BurnedInAnnotation = "YES"
    written.PatientOrientation = list(header.get("PatientOrientation") or [])
    set_laterality(header, written)
    written.DerivationDescription = algorithm.description
    source = Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    written.SourceImageSequence = [source]
    return finish(written, header, algorithm, now)
