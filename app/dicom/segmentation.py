"""Where findings are, as a DICOM segmentation: one binary segment for each located finding."""

from __future__ import annotations

import datetime

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from app.dicom.codes import category_of, code_of
from app.dicom.identity import RESEARCH_ONLY, Algorithm
from app.dicom.kinds import Kind
from app.dicom.parts import coded, equipment, finish, identification, series, tracking_uid
from app.dicom.result import DetectedFinding, RadiographResult
from transforms.dicom import spacing_of


def segmentation(
    header: Dataset,
    result: RadiographResult,
    algorithm: Algorithm,
    now: datetime.datetime,
    kind: Kind = Kind.SEGMENTATION,
) -> Dataset | None:
    """Write the masks of located findings in the radiograph's own pixels.

    Args:
        header: Of the radiograph, from `complete_header`.
        result: What the network says.
        algorithm: What made it.
        now: When.
        kind: SEGMENTATION states an orientation in space, a pixel spacing and a slice thickness, without which the
            viewer OHIF shows none. A radiograph has no orientation or thickness, and may have no spacing:
            PLAIN_SEGMENTATION states none of them.

    Returns:
        The segmentation, None if nothing is located.
    """
    located = result.located
    if not located:
        return None
    has_geometry = kind is Kind.SEGMENTATION
    masks = np.stack([each.mask for each in located if each.mask is not None], axis=-1)
    written = hd.seg.Segmentation(
        [header],
        masks[None].astype(np.uint8),
        hd.seg.SegmentationTypeValues.BINARY,
        [_description(header, algorithm, number, each) for number, each in enumerate(located, start=1)],
        **series(header, algorithm, kind),
        **equipment(algorithm),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label="FRUGAL",
        content_description=f"{RESEARCH_ONLY}{'; geometry is nominal' if has_geometry else ''}",
    )
    shared = written.SharedFunctionalGroupsSequence[0]
    # highdicom writes spacing without a slice thickness, and then refuses to read it.
    shared.pop("PixelMeasuresSequence", None)
    if has_geometry:
        shared.PixelMeasuresSequence = hd.PixelMeasuresSequence(spacing_of(header) or (1.0, 1.0), slice_thickness=1.0)
        shared.PlaneOrientationSequence = hd.PlaneOrientationSequence("PATIENT", (1, 0, 0, 0, 1, 0))
    organisation = algorithm.uid(kind, "dimensions", header.SOPInstanceUID)
    for each in (*written.DimensionOrganizationSequence, *written.DimensionIndexSequence):
        each.DimensionOrganizationUID = organisation
    written.PatientOrientation = header.get("PatientOrientation") or ""
    return finish(written, header, algorithm, now)


def plain_segmentation(
    header: Dataset, result: RadiographResult, algorithm: Algorithm, now: datetime.datetime
) -> Dataset | None:
    """Write what `segmentation` writes, without a geometry."""
    return segmentation(header, result, algorithm, now, Kind.PLAIN_SEGMENTATION)


def _description(
    header: Dataset, algorithm: Algorithm, number: int, finding: DetectedFinding
) -> hd.seg.SegmentDescription:
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=finding.name[:64],
        segmented_property_category=coded(category_of(finding.name)),
        segmented_property_type=coded(code_of(finding.name)),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=identification(algorithm, finding),
        tracking_id=f"{finding.name[:60]}",
        tracking_uid=tracking_uid(header, algorithm, finding.name),
    )
