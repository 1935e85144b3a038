"""Where findings are, as a greyscale softcopy presentation state: outlines and names over the radiograph."""

from __future__ import annotations

import datetime

import highdicom as hd
from pydicom.dataset import Dataset

from app.dicom.header import set_laterality
from app.dicom.identity import Algorithm
from app.dicom.kinds import Kind
from app.dicom.parts import equipment, finish, note, series, tracking_uid
from app.dicom.result import DOUBT, DetectedFinding, RadiographResult, outlines

LAYER = "FRUGAL"
YELLOW = (97.1, -21.6, 94.5)
"""Of the outlines, in CIELab."""
LINE = 0.03
"""Height of a line of text as a share of the image's."""


def presentation_state(
    header: Dataset, result: RadiographResult, algorithm: Algorithm, now: datetime.datetime
) -> Dataset:
    """Draw outlines and captions of called findings over the radiograph, shown as it was for the network.

    Args:
        header: Of the radiograph, from `complete_header`.
        result: What the network says.
        algorithm: What made it.
        now: When.
    """
    layer = hd.pr.GraphicLayer(LAYER, order=1, description=note(), display_color=hd.color.CIELabColor(*YELLOW))
    drawn = [each for finding in result.located for each in _outlines(header, algorithm, finding)]
    annotation = hd.pr.GraphicAnnotation(
        [header], layer, graphic_objects=drawn or None, text_objects=_captions(header, result, algorithm)
    )
    inverse = header.get("PhotometricInterpretation") == "MONOCHROME1"
    written = hd.pr.GrayscaleSoftcopyPresentationState(
        [header],
        **series(header, algorithm, Kind.PRESENTATION),
        **equipment(algorithm),
        content_label="FRUGAL",
        content_description=note(),
        graphic_annotations=[annotation],
        graphic_layers=[layer],
        content_creator_name="FrugalCXR^",
        voi_lut_transformations=_window(result),
        # highdicom would write IDENTITY, by which viewers show a MONOCHROME1 radiograph as its negative.
        presentation_lut_transformation=hd.PresentationLUTTransformation("INVERSE") if inverse else None,
    )
    if header.get("ModalityLUTSequence"):  # highdicom copies slope and intercept only
        written.ModalityLUTSequence = header.ModalityLUTSequence
    set_laterality(header, written)
    return finish(written, header, algorithm, now)


def _window(result: RadiographResult) -> list[hd.pr.SoftcopyVOILUTTransformation] | None:
    """The one window by which the radiograph was shown; None for a look-up table, which highdicom copies."""
    if result.window is None:
        return None
    centre, width, function = result.window
    return [hd.pr.SoftcopyVOILUTTransformation(round(centre, 4), round(width, 4), voi_lut_function=function)]


def _outlines(header: Dataset, algorithm: Algorithm, finding: DetectedFinding) -> list[hd.pr.GraphicObject]:
    if finding.mask is None:
        return []
    return [
        hd.pr.GraphicObject(
            hd.pr.GraphicTypeValues.POLYLINE,
            polygon,
            hd.pr.AnnotationUnitsValues.PIXEL,
            is_filled=False,
            tracking_id=finding.name[:60],
            tracking_uid=tracking_uid(header, algorithm, finding.name, rank),
        )
        for rank, polygon in enumerate(outlines(finding.mask).polygons, start=1)
    ]


def _captions(header: Dataset, result: RadiographResult, algorithm: Algorithm) -> list[hd.pr.TextObject]:
    """What is called, line by line from the upper left corner."""
    called = [f"{each.name} {each.probability:.2f}" for each in result.findings if each.is_present]
    lines = [note(), *([DOUBT] if result.is_doubtful else []), *(called or ["nothing called"])]
    step = LINE * header.Rows
    return [
        hd.pr.TextObject(
            line,
            hd.pr.AnnotationUnitsValues.PIXEL,
            anchor_point=(0.02 * header.Columns, (number + 1) * step),
            anchor_point_visible=False,
            text_justification=hd.pr.TextJustificationValues.LEFT,
        )
        for number, line in enumerate(lines)
    ]
