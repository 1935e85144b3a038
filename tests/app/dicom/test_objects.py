import datetime
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from app.dicom.header import HeaderError, complete_header, completed
from app.dicom.identity import Algorithm
from app.dicom.kinds import Kind
from app.dicom.objects import dicom_objects
from app.dicom.report import PRESENCE, SUITABILITY
from app.dicom.result import DOUBT, DetectedFinding, RadiographResult, outlines
from transforms.grey import Window
from transforms.read import read_radiograph

NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)
ALGORITHM = Algorithm("nodule_detection", "0.1.0", "ab" * 32, {"image_size": 256})


def source(**changes):
    """A header with the least that a CR image may have; None deletes."""
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2", "1.2.1"
    header.Modality, header.PhotometricInterpretation = "CR", "MONOCHROME2"
    header.Rows, header.Columns, header.SamplesPerPixel = 40, 30, 1
    for keyword, value in changes.items():
        setattr(header, keyword, value)
    return header


def result(is_present=True):
    mask = np.zeros((40, 30), dtype=bool)
    mask[10:15, 5:9] = mask[30, 20] = True
    nodule = DetectedFinding("Nodule", 0.8, 0.5, is_present, mask if is_present else None)
    other = DetectedFinding("Enlarged Cardiomediastinum", 0.1, 0.4, False)
    return RadiographResult((nodule, other), np.linspace(0, 1, 1200, dtype=np.float32).reshape(40, 30))


def objects(header=None, what=None, algorithm=ALGORITHM):
    return dict(dicom_objects(completed(header or source()), what or result(), algorithm, tuple(Kind), NOW))


def stored(dataset, folder):
    path = folder / "result.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_a_located_finding_gives_all_kinds():
    assert list(objects()) == ["sr-1", "sr-2", "seg-1", "gsps-1", "sc-1", "plain_seg-1"]


def test_what_is_absent_is_reported_and_not_outlined():
    assert list(objects(what=result(is_present=False))) == ["sr-1", "gsps-1", "sc-1"]


def test_the_same_radiograph_and_weights_give_the_same_bytes(tmp_path):
    first, second = ([stored(each, tmp_path).read_bytes() for each in objects().values()] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "other",
    [
        Algorithm("nodule_detection", "0.1.1", "ab" * 32, {"image_size": 256}),
        Algorithm("nodule_detection", "0.1.0", "ac" * 32, {"image_size": 256}),
        Algorithm("nodule_detection", "0.1.0", "ab" * 32, {"image_size": 512}),
    ],
    ids=["version", "weights", "settings"],
)
def test_another_algorithm_gives_other_identifiers(other):
    first, second = objects(), objects(algorithm=other)
    assert all(first[name].SOPInstanceUID != second[name].SOPInstanceUID for name in first)
    assert all(first[name].SeriesInstanceUID != second[name].SeriesInstanceUID for name in first)


def test_no_two_objects_share_an_identifier():
    assert len({each.SOPInstanceUID for each in objects().values()}) == 6


def test_masks_come_back_bit_for_bit(tmp_path):
    path = stored(objects()["seg-1"], tmp_path)
    masks = hd.seg.segread(path).get_pixels_by_source_instance(["1.2.3"])
    np.testing.assert_array_equal(masks[0, ..., 0], result().findings[0].mask)
    # Without highdicom: bits are packed from the lowest to the highest (PS3.5, 8.1.1).
    bits = np.unpackbits(np.frombuffer(pydicom.dcmread(path).PixelData, np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits[:1200].reshape(40, 30), result().findings[0].mask)


@pytest.mark.parametrize(
    ("stated", "spacing"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, [0.2, 0.1]),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, [0.2, 0.2]),
        ({}, [1, 1]),
        ({"PixelSpacing": "", "ImagerPixelSpacing": [0.2], "PatientOrientation": ["L", "F"]}, [1, 1]),
    ],
    ids=["at the patient", "at the detector", "none", "damaged"],
)
def test_a_segmentation_has_the_geometry_that_viewers_need(stated, spacing, tmp_path):
    segmentation = hd.seg.segread(stored(objects(source(**stated))["seg-1"], tmp_path))
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    # Without these two, OHIF 3.12 shows no page at all: it takes the first item of both.
    assert shared.PixelMeasuresSequence[0].PixelSpacing == spacing
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert "geometry is nominal" in segmentation.ContentDescription


def test_a_plain_segmentation_states_no_geometry_that_the_radiograph_has_not(tmp_path):
    both = {name: hd.seg.segread(stored(objects()[name], tmp_path)) for name in ("seg-1", "plain_seg-1")}
    with_geometry, plain = both.values()
    shared = plain.SharedFunctionalGroupsSequence[0]
    assert "PixelMeasuresSequence" not in shared
    assert "PlaneOrientationSequence" not in shared
    assert "nominal" not in plain.ContentDescription
    assert np.array_equal(plain.pixel_array, with_geometry.pixel_array)
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber"):
        assert plain[keyword] != with_geometry[keyword]


def test_the_report_says_what_is_present_and_what_is_absent(tmp_path):
    report = hd.sr.srread(stored(objects()["sr-1"], tmp_path))
    groups = report.content.get_image_measurement_groups()
    assert [group.finding_type.meaning for group in groups] == ["Nodule", "Enlarged Cardiomediastinum"]
    presence = [group.get_qualitative_evaluations(PRESENCE)[0].value.meaning for group in groups]
    assert presence == ["Present", "Absent"]
    # Not calibrated, hence a certainty in per cent.
    assert [group.get_measurements()[0].value for group in groups] == [pytest.approx(80), pytest.approx(10)]
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "COMPLETE",
        "UNVERIFIED",
        "PRELIMINARY",
    )


def test_a_calibrated_score_is_a_probability(tmp_path):
    findings = (DetectedFinding("Nodule", 0.8, 0.5, False, is_calibrated=True),)
    report = hd.sr.srread(stored(objects(what=RadiographResult(findings, result().image))["sr-1"], tmp_path))
    (score,) = report.content.get_image_measurement_groups()[0].get_measurements()
    assert (score.name.meaning, score.value) == ("Probability", pytest.approx(0.8))


def test_what_is_in_doubt_says_so(tmp_path):
    doubtful = objects(what=replace(result(), is_doubtful=True))
    for name in ("sr-1", "sr-2"):  # two findings, two regions
        content = hd.sr.srread(stored(doubtful[name], tmp_path)).content
        groups = [*content.get_image_measurement_groups(), *content.get_planar_roi_measurement_groups()]
        said = [group.get_qualitative_evaluations(SUITABILITY)[0].value.meaning for group in groups]
        assert said == [DOUBT] * 2
    texts = [each.UnformattedTextValue for each in doubtful["gsps-1"].GraphicAnnotationSequence[0].TextObjectSequence]
    assert texts[1] == DOUBT
    large = replace(result(is_present=False), image=np.zeros((200, 400), dtype=np.float32))  # has room for two lines
    plain, doubted = (objects(what=replace(large, is_doubtful=each))["sc-1"].pixel_array for each in (False, True))
    assert doubted.any(axis=(1, 2)).sum() > plain.any(axis=(1, 2)).sum() + 5


def test_regions_are_reported_with_the_largest_first(tmp_path):
    report = hd.sr.srread(stored(objects()["sr-2"], tmp_path))
    groups = report.content.get_planar_roi_measurement_groups()
    first = groups[0].roi.value
    # The mask's corner pixels are (5, 10) and (8, 14); their centres are half a pixel on.
    assert (first.min(axis=0).tolist(), first.max(axis=0).tolist()) == ([5.5, 10.5], [8.5, 14.5])
    assert len(groups) == 2


def test_findings_have_the_same_tracking_identifier_in_report_and_segmentation():
    written = objects()
    segment = written["seg-1"].SegmentSequence[0].TrackingUID
    assert segment in str(written["sr-1"])


@pytest.mark.parametrize(("interpretation", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_presentation_states_are_not_negatives(interpretation, shape):
    written = objects(source(PhotometricInterpretation=interpretation))
    assert written["gsps-1"].PresentationLUTShape == shape


def test_a_presentation_state_has_the_window_that_was_shown():
    shown = RadiographResult(result().findings, result().image, Window(100.5, 200.0, "SIGMOID"))
    window = objects(what=shown)["gsps-1"].SoftcopyVOILUTSequence[0]
    assert (window.WindowCenter, window.WindowWidth, window.VOILUTFunction) == (100.5, 200, "SIGMOID")


def test_a_capture_says_that_it_is_for_research_and_is_no_radiograph(tmp_path):
    path = stored(objects()["sc-1"], tmp_path)
    capture = pydicom.dcmread(path)
    assert capture.BurnedInAnnotation == "YES"
    assert "research use only" in capture.SeriesDescription
    assert capture.pixel_array.shape == (40, 30, 3)


def test_what_patient_and_examination_are_is_kept():
    header = source(PatientName="Dubois^Zoé", PatientID="7", InstitutionName="Hôpital", TimezoneOffsetFromUTC="+0100")
    for written in objects(header).values():
        assert (written.PatientName, written.PatientID) == ("Dubois^Zoé", "7")
        assert (written.InstitutionName, written.TimezoneOffsetFromUTC) == ("Hôpital", "+0100")
        assert (written.SpecificCharacterSet, written.StudyInstanceUID) == ("ISO_IR 192", "1.2")


def test_a_japanese_name_comes_back_whole(tmp_path):
    header = source(SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = stored(header, tmp_path)
    written = objects(complete_header(path))
    assert {str(each.PatientName) for each in written.values()} == {"Yamada^Tarou=山田^太郎=やまだ^たろう"}


@pytest.mark.parametrize(
    ("stated", "slope", "intercept"),
    [
        ({"RescaleSlope": 2}, 2, 0),
        ({"RescaleSlope": "", "RescaleIntercept": -5}, 1, -5),
        ({"RescaleSlope": [2, 3], "RescaleIntercept": [7, 0]}, 2, 7),
        ({"RescaleSlope": ""}, 1, 0),
    ],
    ids=["no intercept", "empty slope", "two", "empty"],
)
def test_a_rescaling_is_stated_as_the_reader_applies_it(stated, slope, intercept, tmp_path):
    state = pydicom.dcmread(stored(objects(source(RescaleType="US", **stated))["gsps-1"], tmp_path))
    assert (state.get("RescaleSlope", 1), state.get("RescaleIntercept", 0)) == (slope, intercept)


def test_an_empty_number_of_samples_is_one():
    assert objects(source(SamplesPerPixel=None))["sc-1"]
    assert completed(source(SamplesPerPixel=None)).SamplesPerPixel == 1


def test_values_that_are_not_allowed_are_left_out():
    header = completed(source(PatientAge="62", PatientSex="female", StudyDate="yesterday"))
    assert ("PatientAge" in header, header.PatientSex, header.StudyDate) == (False, "", "")


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SOPInstanceUID", "Rows"])
def test_a_header_that_identifies_nothing_is_refused(keyword):
    header = source()
    del header[keyword]
    with pytest.raises(HeaderError, match=keyword):
        completed(header)


def test_a_malformed_identifier_is_refused_without_its_value():
    header = source()
    header.add_new("StudyInstanceUID", "UI", "1.2.Doe^Jane")
    with pytest.raises(HeaderError, match="StudyInstanceUID") as raised:
        completed(header)
    assert "Doe" not in str(raised.value)


def test_a_file_that_is_not_dicom_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG" + bytes(200))
    with pytest.raises(HeaderError, match="not a DICOM file"):
        complete_header(tmp_path / "a.png")


def test_the_smaller_of_many_outlines_are_counted():
    mask = np.zeros((9, 60), dtype=bool)
    mask[4, ::2] = True
    mask[2:7, 40] = True
    drawn = outlines(mask, most=10)
    assert (len(drawn.polygons), drawn.left_out) == (10, 20)
    assert drawn.polygons[0][:, 0].min() == 40.5


def test_a_window_of_range_shows_the_same_as_the_reader(tmp_path):
    header = source(BitsAllocated=16, BitsStored=12, HighBit=11, PixelRepresentation=0, SamplesPerPixel=1)
    values = (100 + 3 * np.arange(1200)).reshape(40, 30).astype("<u2")
    header.PixelData = values.tobytes()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image, meta = read_radiograph(stored(header, tmp_path))
    centre, width, function = meta["window"]
    # PS3.3, C.11.2.1.2.1.
    shown = np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)
    assert function == "LINEAR"
    np.testing.assert_allclose(image, shown, atol=1e-6)


def test_a_header_without_preamble_is_read_as_the_pixels_are(tmp_path):
    header = source()
    header.save_as(tmp_path / "bare.dcm", implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert (tmp_path / "bare.dcm").read_bytes()[128:132] != b"DICM"
    assert list(objects(complete_header(tmp_path / "bare.dcm"))) == list(objects())
