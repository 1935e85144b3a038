"""What several kinds of DICOM results have in common: codes, algorithm, series, and the time."""

from __future__ import annotations

import datetime
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app import __version__
from app.dicom.codes import CodedConcept
from app.dicom.header import copy_context
from app.dicom.identity import MANUFACTURER, RESEARCH_ONLY, Algorithm
from app.dicom.kinds import Kind
from app.dicom.result import DetectedFinding

SERIES_NUMBERS = {kind: 9001 + number for number, kind in enumerate(Kind)}


def coded(concept: CodedConcept) -> Code:
    """A concept in pydicom's form."""
    return Code(concept.value, concept.scheme, concept.meaning)


def tracking_uid(header: Dataset, algorithm: Algorithm, finding: str, rank: int = 0) -> str:
    """The identifier of a finding, or of one of its outlines; the same in all kinds, which can be joined by it."""
    return algorithm.uid("tracking", header.SOPInstanceUID, finding, rank)


def identification(algorithm: Algorithm, finding: DetectedFinding) -> hd.AlgorithmIdentificationSequence:
    """What made a finding, for segmentations."""
    return hd.AlgorithmIdentificationSequence(
        name=algorithm.name,
        family=codes.cid7162.ArtificialIntelligence,
        version=algorithm.version_name,
        source=MANUFACTURER,
        parameters=parameters(finding),
    )


def parameters(finding: DetectedFinding) -> dict[str, str]:
    """The parameters by which a finding is called present."""
    return {"threshold": f"{finding.threshold:.6g}"}


def series(header: Dataset, algorithm: Algorithm, kind: Kind, number: int = 1) -> dict[str, Any]:
    """Arguments that all of highdicom's classes take: series, instance and maker.

    Args:
        header: Of the radiograph, complete.
        algorithm: That made the result.
        kind: Of the result.
        number: Of the instance among those of this kind and radiograph.
    """
    return {
        "series_instance_uid": algorithm.uid(kind, "series", header.SeriesInstanceUID),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": algorithm.uid(kind, header.SOPInstanceUID, number),
        "instance_number": number,
        "manufacturer": MANUFACTURER,
    }


def equipment(algorithm: Algorithm) -> dict[str, Any]:
    """Arguments about the maker's model, for the classes that take them."""
    return {
        "manufacturer_model_name": algorithm.name[:64],
        "software_versions": __version__,
        "device_serial_number": algorithm.weights[:16],
    }


def set_equipment(result: Dataset, algorithm: Algorithm) -> None:
    """Set what `equipment` holds, in objects whose classes do not take it."""
    about = equipment(algorithm)
    result.ManufacturerModelName = about["manufacturer_model_name"]
    result.SoftwareVersions = about["software_versions"]
    result.DeviceSerialNumber = about["device_serial_number"]


def finish(result: Dataset, header: Dataset, algorithm: Algorithm, now: datetime.datetime) -> Dataset:
    """Set what highdicom leaves to the moment of the call or leaves out.

    Args:
        result: Any object; it is changed.
        header: Of the radiograph.
        algorithm: That made it.
        now: When it was made, in the zone of the radiograph's times.
    """
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    result.SeriesDate, result.SeriesTime = date, time
    for name in ("InstanceCreation", "Content", "PresentationCreation"):
        if f"{name}Date" in result:
            setattr(result, f"{name}Date", date)
            setattr(result, f"{name}Time", time)
    if "DateOfSecondaryCapture" in result:
        result.DateOfSecondaryCapture, result.TimeOfSecondaryCapture = date, time
    for maker in result.get("ContributingEquipmentSequence") or []:
        maker.ContributionDateTime = date + time
    result.SeriesDescription = algorithm.description
    copy_context(header, result)
    return result


def note() -> str:
    """What stands in pixels and graphics."""
    return f"{MANUFACTURER} - {RESEARCH_ONLY}"
