"""Structured reports: regions, findings without one, readers, and damaged reports."""

import datetime
from collections import Counter

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from app.annotation_formats.dicom_seg import read_dicom_seg
from app.annotation_formats.dicom_sr import read_dicom_sr
from app.annotation_formats.marks import AnnotationError, Polygons
from app.annotation_formats.recognition import find_annotations, kind_of
from app.dicom.header import completed
from app.dicom.identity import Algorithm
from app.dicom.objects import dicom_objects
from app.dicom.result import DetectedFinding, RadiographResult
from app.findings import canonical

TRIANGLE = np.array([[2.0, 3.0], [8.0, 3.0], [5.0, 9.5], [2.0, 3.0]])
NODULE = Code("27925004", "SCT", "Nodule")


def is_finding(name):
    return canonical(name) is not None


def radiograph():
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3.7"
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    header.Rows, header.Columns = 12, 14
    return completed(header)


def region(kind, points, finding=NODULE):
    header = radiograph()
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier("1.2.9", "first"),
        finding_type=finding,
        referenced_region=hd.sr.ImageRegion(
            kind, points, hd.sr.SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID)
        ),
    )


def presence(code):
    header = radiograph()
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier("1.2.8", "second"),
        finding_type=Code("60046008", "SCT", "Pleural effusion"),
        qualitative_evaluations=[hd.sr.QualitativeEvaluation(Code("705057003", "SCT", "Presence"), code)],
        source_images=[hd.sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)],
    )


def report(path, *groups):
    """A person's report, by highdicom."""
    person = hd.sr.ObserverContext(
        hd.sr.CodedConcept("121006", "DCM", "Person"), hd.sr.PersonObserverIdentifyingAttributes("Roe^Richard")
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=person),
        procedure_reported=Code("363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
    )
    written = hd.sr.Comprehensive3DSR([radiograph()], content[0], "1.2.4", 1, "1.2.4.1", 1, "A viewer")
    written.save_as(path)
    return path


def content(value_type, concept=None, *below, **elements):
    """A content item by hand."""
    item = Dataset()
    item.ValueType = value_type
    if concept:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = concept
        item.ConceptNameCodeSequence = [code]
    if below:
        item.ContentSequence = list(below)
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def ohif_report(path, label, instance="1.2.3.7"):
    """As OHIF 3.12 (@cornerstonejs/adapters) writes a freehand region: the label is a comment, and no finding."""
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", instance
    image = content("IMAGE", ReferencedSOPSequence=[reference])
    outline = content("SCOORD", None, image, GraphicType="POLYLINE", GraphicData=TRIANGLE.ravel().tolist())
    place = ("TextPosition", "99CS3D", "Text Annotation Position")
    group = content(
        "CONTAINER",
        ("125007", "DCM", "Measurement Group"),
        content(
            "TEXT", ("112039", "DCM", "Tracking Identifier"), TextValue="Cornerstone3DTools@^0.1.0:PlanarFreehandROI"
        ),
        content("NUM", ("131191004", "SCT", "Perimeter"), outline),
        content("NUM", ("42798000", "SCT", "Area"), outline),
        content("TEXT", ("121106", "DCM", "Comment"), TextValue=label),
        content("SCOORD", place, image, GraphicType="POINT", GraphicData=[1.0, 1.0]),
    )
    dataset = pydicom.dcmread(report(path, region("POLYLINE", TRIANGLE)))
    for each in dataset.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence:
        each.ReferencedSOPInstanceUID = instance
    measurements = next(each for each in dataset.ContentSequence if "Imaging Measurements" in str(each))
    measurements.ContentSequence = [group]
    dataset.save_as(path)
    return path


def images_of(*files, counts=None):
    read = read_dicom_sr(files[0].parent, files, is_finding)
    if counts is not None:
        counts.update(read.counts)
    return read.images


def test_a_polygon_is_a_mark_on_its_image(tmp_path):
    (image,) = images_of(report(tmp_path / "a.dcm", region("POLYLINE", TRIANGLE)))
    assert (image.instance, image.reader) == ("1.2.3.7", "Roe^Richard")
    assert [(mark.name, mark.shape) for mark in image.marks] == [
        ("Nodule", Polygons(((2.0, 3.0, 8.0, 3.0, 5.0, 9.5),)))
    ]


@pytest.mark.parametrize(
    ("kind", "points", "radii"),
    [
        # Centre and a point on the circle; the ends of the major axis and then of the minor one (PS3.3, C.18.6.1.2).
        ("CIRCLE", [[6.0, 5.0], [9.0, 5.0]], (3.0, 3.0)),
        ("ELLIPSE", [[2.0, 5.0], [10.0, 5.0], [6.0, 3.0], [6.0, 7.0]], (4.0, 2.0)),
        ("ELLIPSE", [[6.0, 1.0], [6.0, 9.0], [4.0, 5.0], [8.0, 5.0]], (2.0, 4.0)),
    ],
)
def test_circles_and_ellipses_are_polygons(tmp_path, kind, points, radii):
    (image,) = images_of(report(tmp_path / "a.dcm", region(kind, np.array(points))))
    corners = np.array(image.marks[0].shape.rings[0]).reshape(-1, 2)
    np.testing.assert_allclose(np.ptp(corners, axis=0) / 2, radii, rtol=1e-3)
    np.testing.assert_allclose(corners.mean(axis=0), (6, 5), atol=1e-9)


@pytest.mark.parametrize(
    ("code", "label"),
    [(Code("52101004", "SCT", "Present"), 1), (Code("272519000", "SCT", "Absent"), 0)],
)
def test_a_group_without_region_is_a_label(tmp_path, code, label):
    (image,) = images_of(report(tmp_path / "a.dcm", presence(code)))
    assert (image.labels, image.marks) == ({"Pleural effusion": label}, [])


def test_lines_are_counted(tmp_path):
    counts = Counter()
    (image,) = images_of(report(tmp_path / "a.dcm", region("POLYLINE", TRIANGLE[:2])), counts=counts)
    assert image.marks == []
    assert counts["points and lines without an area (left out)"] == 1


def test_the_label_that_a_reader_typed_in_ohif_is_the_name(tmp_path):
    counts = Counter()
    (image,) = images_of(ohif_report(tmp_path / "a.dcm", "nodule"), counts=counts)
    assert [(mark.name, mark.shape) for mark in image.marks] == [
        ("nodule", Polygons(((2.0, 3.0, 8.0, 3.0, 5.0, 9.5),)))
    ]
    assert not +counts  # the place of the text is no region


def test_a_finding_of_no_known_name_is_called_by_its_code(tmp_path):
    (image,) = images_of(report(tmp_path / "a.dcm", region("POLYLINE", TRIANGLE, Code("1", "99X", "Blob"))))
    assert image.marks[0].name == "Blob"


def test_what_our_own_network_says_is_no_annotation(tmp_path):
    header, mask = radiograph(), np.zeros((12, 14), dtype=bool)
    mask[3:6, 2:7] = True
    result = RadiographResult((DetectedFinding("Nodule", 0.9, 0.5, True, mask),), np.zeros((12, 14), np.float32))
    now = datetime.datetime(2026, 1, 1)
    for name, dataset in dicom_objects(header, result, Algorithm("nodule_detection", "1", "00" * 32), ["sr"], now):
        dataset.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
    counts = Counter()
    files = sorted(tmp_path.iterdir())
    assert images_of(*files, counts=counts) == []
    assert counts == {"unverified reports of our own networks (left out)": 2}


def test_what_our_own_network_outlines_is_no_annotation_either(tmp_path):
    mask = np.zeros((12, 14), dtype=bool)
    mask[3:6, 2:7] = True
    result = RadiographResult((DetectedFinding("Nodule", 0.9, 0.5, True, mask),), np.zeros((12, 14), np.float32))
    ((_, dataset),) = dicom_objects(radiograph(), result, Algorithm("nodule_detection", "1", "00" * 32), ["seg"])
    dataset.save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    read = read_dicom_seg(tmp_path, [tmp_path / "seg.dcm"], is_finding)
    assert (read.images, +read.counts) == ([], {"segmentations of our own networks (left out)": 1})


def test_a_report_is_recognised_by_its_content(tmp_path):
    path = report(tmp_path / "export.bin", presence(Code("52101004", "SCT", "Present")))
    assert kind_of(path) == "dicom-sr"
    assert find_annotations(tmp_path, [], "").files == {"dicom-sr": (path,)}


def test_a_damaged_report_is_refused_with_its_name(tmp_path):
    path = report(tmp_path / "a.dcm", region("POLYLINE", TRIANGLE))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(AnnotationError, match=r"a\.dcm: a report without content"):
        images_of(path)
