"""All DICOM results of one radiograph."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable

from pydicom.dataset import Dataset

from app.dicom.capture import secondary_capture
from app.dicom.header import HeaderError, without_warnings
from app.dicom.identity import Algorithm
from app.dicom.kinds import Kind
from app.dicom.presentation import presentation_state
from app.dicom.report import findings_report, regions_report
from app.dicom.result import RadiographResult
from app.dicom.segmentation import plain_segmentation, segmentation

# Its log of every copied attribute names studies.
logging.getLogger("highdicom").setLevel(logging.WARNING)

WRITERS = {
    Kind.REPORT: (findings_report, regions_report),
    Kind.SEGMENTATION: (segmentation,),
    Kind.PRESENTATION: (presentation_state,),
    Kind.CAPTURE: (secondary_capture,),
    Kind.PLAIN_SEGMENTATION: (plain_segmentation,),
}


def dicom_objects(
    header: Dataset,
    result: RadiographResult,
    algorithm: Algorithm,
    kinds: Iterable[Kind],
    now: datetime.datetime | None = None,
) -> list[tuple[str, Dataset]]:
    """Write the results of one radiograph.

    Args:
        header: From `app.dicom.header.complete_header`.
        result: What the network says.
        algorithm: What made it.
        kinds: Of results.
        now: When; None for the present.

    Returns:
        Names such as ``sr-1`` and the objects. Where nothing is located there is neither a segmentation nor a report
        of regions.

    Raises:
        HeaderError: The header is damaged in a way that no result can be written; the message quotes no value.
    """
    moment = now or datetime.datetime.now()
    written = []
    for kind in kinds:
        for number, write in enumerate(WRITERS[kind], start=1):
            try:
                with without_warnings():
                    written.append((f"{kind}-{number}", write(header, result, algorithm, moment)))
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise HeaderError(f"its header allows no {kind} ({type(error).__name__})") from error
    return [(name, each) for name, each in written if each is not None]
