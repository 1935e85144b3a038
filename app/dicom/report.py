"""What a network says, as DICOM structured reports of template TID 1500: findings, and regions.

Two instances of one series, since viewers (OHIF 3.12) open a report black that mixes groups with and without regions.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.dicom.codes import PRIVATE_SCHEME, code_of
from app.dicom.header import requests
from app.dicom.identity import MANUFACTURER, Algorithm
from app.dicom.kinds import Kind
from app.dicom.parts import coded, finish, parameters, series, set_equipment, tracking_uid
from app.dicom.result import DOUBT, DetectedFinding, Outlines, RadiographResult, outlines

TITLE = Code("126000", "DCM", "Imaging Measurement Report")
PROBABILITY = Code("122157", "DCM", "Probability")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")
"""DICOM's term of computer-aided detection, for scores that were not calibrated."""
PRESENCE = Code("705057003", "SCT", "Presence")
PRESENT, ABSENT = Code("52101004", "SCT", "Present"), Code("272519000", "SCT", "Absent")
SUITABILITY, DOUBTFUL = (
    Code("SUITABILITY", PRIVATE_SCHEME, "Suitability of image"),
    Code("DOUBTFUL", PRIVATE_SCHEME, DOUBT),
)
PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
Group = hd.sr.MeasurementsAndQualitativeEvaluations | hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations


def findings_report(header: Dataset, result: RadiographResult, algorithm: Algorithm, now: datetime.datetime) -> Dataset:
    """Report every finding as present or absent, with its probability and the threshold that was applied.

    Args:
        header: Of the radiograph, from `complete_header`.
        result: What the network says.
        algorithm: What made it.
        now: When.
    """
    groups = [
        hd.sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(header, algorithm, each, 0),
            finding_type=coded(code_of(each.name)),
            algorithm_id=_algorithm(algorithm, each),
            measurements=[_score(each)],
            qualitative_evaluations=_evaluations(each, result),
            source_images=[hd.sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)],
        )
        for each in result.findings
    ]
    return _report(header, algorithm, now, groups, 1)


def regions_report(
    header: Dataset, result: RadiographResult, algorithm: Algorithm, now: datetime.datetime
) -> Dataset | None:
    """Report the outlines of located findings as polygons in the radiograph's pixels; None if nothing is located.

    Args:
        header: Of the radiograph, from `complete_header`.
        result: What the network says.
        algorithm: What made it.
        now: When.
    """
    groups = []
    for each in result.located:
        if each.mask is None:
            continue
        drawn = outlines(each.mask)
        groups += [
            hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracking(header, algorithm, each, rank, drawn),
                finding_type=coded(code_of(each.name)),
                algorithm_id=_algorithm(algorithm, each),
                measurements=[_score(each)],
                qualitative_evaluations=_evaluations(each, result),
                referenced_region=hd.sr.ImageRegion(
                    hd.sr.GraphicTypeValues.POLYLINE,
                    polygon,
                    hd.sr.SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID),
                ),
            )
            for rank, polygon in enumerate(drawn.polygons, start=1)
        ]
    return _report(header, algorithm, now, groups, 2) if groups else None


def _report(
    header: Dataset, algorithm: Algorithm, now: datetime.datetime, groups: Sequence[Group], number: int
) -> Dataset:
    """A preliminary, unverified report: nobody has looked at it."""
    report = hd.sr.MeasurementReport(
        observation_context=_observer(algorithm),
        procedure_reported=_procedures(header),
        imaging_measurements=groups,
        title=TITLE,
        referenced_images=[header] if header.get("ImagerPixelSpacing") and header.get("PatientOrientation") else None,
    )
    written = hd.sr.Comprehensive3DSR(
        evidence=[header],
        content=report[0],
        **series(header, algorithm, Kind.REPORT, number),
        is_complete=True,
        is_final=False,
        is_verified=False,
        requested_procedures=requests(header),
    )
    set_equipment(written, algorithm)
    return finish(written, header, algorithm, now)


def _observer(algorithm: Algorithm) -> hd.sr.ObservationContext:
    return hd.sr.ObservationContext(
        observer_device_context=hd.sr.ObserverContext(
            observer_type=codes.DCM.Device,
            observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
                uid=algorithm.uid("device"),
                name=algorithm.name,
                manufacturer_name=MANUFACTURER,
                model_name=algorithm.version_name,
                serial_number=algorithm.weights[:16],
            ),
        )
    )


def _procedures(header: Dataset) -> list[Code]:
    """The examination's own procedure codes, or "imaging procedure"."""
    given = [
        Code(each.CodeValue, each.CodingSchemeDesignator, each.CodeMeaning)
        for each in header.get("ProcedureCodeSequence") or []
        if all(each.get(keyword) for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
    ]
    return given or [PROCEDURE]


def _tracking(
    header: Dataset, algorithm: Algorithm, finding: DetectedFinding, rank: int, drawn: Outlines | None = None
) -> hd.sr.TrackingIdentifier:
    name = finding.name
    if drawn is not None:
        name += f" {rank} of {len(drawn.polygons) + drawn.left_out}"
    return hd.sr.TrackingIdentifier(tracking_uid(header, algorithm, finding.name, rank), name)


def _algorithm(algorithm: Algorithm, finding: DetectedFinding) -> hd.sr.AlgorithmIdentification:
    return hd.sr.AlgorithmIdentification(
        name=algorithm.name,
        version=algorithm.version_name,
        parameters=[f"{name} {value}" for name, value in parameters(finding).items()],
        family=codes.cid7162.ArtificialIntelligence,
        manufacturer=MANUFACTURER,
    )


def _evaluations(finding: DetectedFinding, result: RadiographResult) -> list[hd.sr.QualitativeEvaluation]:
    """Whether a finding is present; and that the radiograph is in doubt, if it is."""
    presence = hd.sr.QualitativeEvaluation(PRESENCE, PRESENT if finding.is_present else ABSENT)
    return [presence, *([hd.sr.QualitativeEvaluation(SUITABILITY, DOUBTFUL)] if result.is_doubtful else [])]


def _score(finding: DetectedFinding) -> hd.sr.Measurement:
    """The probability, or in per cent the certainty if it was not calibrated."""
    if finding.is_calibrated:
        return hd.sr.Measurement(PROBABILITY, finding.probability, codes.UCUM.NoUnits)
    return hd.sr.Measurement(CERTAINTY, 100 * finding.probability, codes.UCUM.Percent)
