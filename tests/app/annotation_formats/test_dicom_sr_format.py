"""Structured reports: regions, findings without one, readers, and damaged reports."""

import datetime
from collections import Counter

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

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


def test_a_report_is_recognised_by_its_content(tmp_path):
    path = report(tmp_path / "export.bin", presence(Code("52101004", "SCT", "Present")))
    assert kind_of(path) == "dicom-sr"
    assert find_annotations(tmp_path, [], "").files == {"dicom-sr": (path,)}


def test_a_damaged_report_is_refused_with_its_name(tmp_path):
    path = report(tmp_path / "a.dcm", region("POLYLINE", TRIANGLE))
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(AnnotationError, match=r"a\.dcm: a report without content"):
        images_of(path)
