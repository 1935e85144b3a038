"""DICOM segmentation objects: segments, the radiograph that they refer to, and damaged ones."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from app.annotation_formats.dicom_seg import CLASSES, read_dicom_seg
from app.annotation_formats.marks import AnnotationError
from app.findings import canonical
from tests.app.annotation_formats.drawn import block, drawn

SIZE = (11, 13)
RADIOGRAPH = "1.2.3.7"
NODULE, EFFUSION = block(SIZE, slice(2, 5), slice(3, 9)), block(SIZE, slice(7, 10), slice(0, 4))


def is_finding(name: str) -> bool:
    return canonical(name) is not None


def sequence(**elements: object) -> pydicom.Sequence:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return pydicom.Sequence([item])


def segment(number: int, label: str, meaning: str) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, label
    code = sequence(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning=meaning)
    item.SegmentedPropertyTypeCodeSequence = code
    return item


def write(path: Path, frames: list[tuple[int, np.ndarray]], kind: str = "BINARY", source: str = RADIOGRAPH):
    """A segmentation object of the frames' segments, by PS3.3 A.51."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CLASSES[kind == "LABELMAP"]
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.9"
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "SEG", "MONOCHROME2", 1
    data.Rows, data.Columns = frames[0][1].shape
    data.NumberOfFrames, data.PixelRepresentation = len(frames), 0
    bits = 1 if kind == "BINARY" else 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.SegmentationType = kind
    if kind == "FRACTIONAL":
        data.SegmentationFractionalType, data.MaximumFractionalValue = "PROBABILITY", 200
    named = {1: "nodule", 2: "Region 2"}
    data.SegmentSequence = pydicom.Sequence([segment(key, name, "Pleural effusion") for key, name in named.items()])
    reference = sequence(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.1.1", ReferencedSOPInstanceUID=source)
    data.ReferencedSeriesSequence = sequence(SeriesInstanceUID="1.2.3", ReferencedInstanceSequence=reference)
    data.PerFrameFunctionalGroupsSequence = pydicom.Sequence(
        sequence(SegmentIdentificationSequence=sequence(ReferencedSegmentNumber=number))[0] for number, _ in frames
    )
    values = np.stack([values for _, values in frames])
    data.PixelData = (np.packbits(values, bitorder="little") if bits == 1 else values.astype(np.uint8)).tobytes()
    data["PixelData"].VR = "OB"
    data.PixelData += b"\0" * (len(data.PixelData) % 2)
    data.save_as(path, enforce_file_format=True)
    return path


def read(file: Path):
    return read_dicom_seg(file.parent, [file], is_finding)


def test_binary_segments(tmp_path: Path):
    (image,) = read(write(tmp_path / "a.dcm", [(1, NODULE), (2, EFFUSION)])).images
    assert (image.instance, image.asked) == (RADIOGRAPH, ("nodule", "Pleural effusion"))
    masks = drawn(image, SIZE)[1]
    np.testing.assert_array_equal(masks["nodule"], NODULE)
    np.testing.assert_array_equal(masks["Pleural effusion"], EFFUSION)  # its label is no finding, its code is one


def test_an_empty_segment_is_nowhere(tmp_path: Path):
    (image,) = read(write(tmp_path / "a.dcm", [(1, NODULE), (2, 0 * EFFUSION)])).images
    assert [mark.name for mark in image.marks] == ["nodule"]
    assert image.asked == ("nodule", "Pleural effusion")


def test_fractions_count_from_one_half(tmp_path: Path):
    values = NODULE * 99
    values[3] = NODULE[3] * 100  # half of the largest value, 200
    export = read(write(tmp_path / "a.dcm", [(1, values)], "FRACTIONAL"))
    np.testing.assert_array_equal(drawn(export.images[0], SIZE)[1]["nodule"], values == 100)
    assert export.counts["fractional segmentations (cut at one half)"] == 1


def test_ones_of_a_fractional_object_are_a_whole_mask(tmp_path: Path):
    frames = [(1, NODULE), (2, EFFUSION)]  # as dcmjs writes with its option rleEncode: 1, and not 200, is all of it
    export = read(write(tmp_path / "a.dcm", frames, "FRACTIONAL"))
    masks = drawn(export.images[0], SIZE)[1]
    np.testing.assert_array_equal(masks["nodule"], NODULE)
    np.testing.assert_array_equal(masks["Pleural effusion"], EFFUSION)
    assert not any(export.counts.values())  # nothing was cut


def test_label_maps(tmp_path: Path):
    (image,) = read(write(tmp_path / "a.dcm", [(1, NODULE + 2 * EFFUSION)], "LABELMAP")).images
    masks = drawn(image, SIZE)[1]
    np.testing.assert_array_equal(masks["nodule"], NODULE)
    np.testing.assert_array_equal(masks["Pleural effusion"], EFFUSION)


def test_the_background_of_a_label_map_is_no_segment(tmp_path: Path):
    data = pydicom.dcmread(write(tmp_path / "a.dcm", [(1, NODULE)], "LABELMAP"))
    background = segment(0, "Background", "Background")
    code = background.SegmentedPropertyTypeCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator = "125040", "DCM"  # as highdicom 0.28 writes it
    data.SegmentSequence.insert(0, background)
    data.save_as(tmp_path / "a.dcm")
    (image,) = read(tmp_path / "a.dcm").images
    assert image.asked == ("nodule", "Pleural effusion")
    assert [mark.name for mark in image.marks] == ["nodule"]


def test_segments_of_another_size_than_the_radiograph_are_refused(tmp_path: Path):
    (image,) = read(write(tmp_path / "a.dcm", [(1, NODULE)])).images
    with pytest.raises(
        AnnotationError, match=r"segment nodule: its mask has 13 x 11 .* but the radiograph has 11 x 13"
    ):
        drawn(image, SIZE[::-1])


def test_bad_objects(tmp_path: Path):
    file = write(tmp_path / "a.dcm", [(1, NODULE)])
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    with pytest.raises(AnnotationError, match=r"a\.dcm: cannot be read as a DICOM segmentation"):
        read(file)
    data = pydicom.dcmread(write(file, [(1, NODULE)]))
    del data.ReferencedSeriesSequence
    data.save_as(file)
    with pytest.raises(AnnotationError, match=r"a\.dcm: frame 1 refers to 0 images"):
        read(file)


@pytest.mark.parametrize("spacing", [None, [0.2, 0.1]], ids=["no spacing", "spacing"])
@pytest.mark.parametrize(
    ("kind", "syntax"),
    [
        ("BINARY", ExplicitVRLittleEndian),
        ("FRACTIONAL", JPEGLSLossless),
        ("LABELMAP", RLELossless),
    ],
)
def test_highdicom_writes_what_is_read(tmp_path: Path, kind: str, syntax: str, spacing: list[float] | None):
    seg = pytest.importorskip("highdicom.seg")
    from pydicom.sr.codedict import codes

    source = pydicom.dcmread(write(tmp_path / "source.dcm", [(1, NODULE)]))
    source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    source.Modality, source.SOPInstanceUID = "DX", RADIOGRAPH
    for keyword in (
        "SegmentSequence",
        "PerFrameFunctionalGroupsSequence",
        "ReferencedSeriesSequence",
        "NumberOfFrames",
    ):
        delattr(source, keyword)
    source.StudyInstanceUID, source.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(source, keyword, "")
    source.StudyDate, source.StudyTime, source.ReferringPhysicianName = "20200101", "120000", ""
    if spacing is not None:
        source.PixelSpacing = spacing
    category, code = codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Nodule
    descriptions = [
        seg.SegmentDescription(number, name, category, code, "MANUAL")
        for number, name in enumerate(("Nodule", "Effusion"), start=1)
    ]
    overlapping = block(SIZE, slice(4, 8), slice(2, 7))
    effusion = overlapping * (1 - NODULE) if kind == "LABELMAP" else overlapping  # which cannot overlap
    masks = np.stack([NODULE, effusion], axis=-1)[None]
    masks = masks * np.float32(0.6) if kind == "FRACTIONAL" else masks.astype(np.uint8)
    written = seg.Segmentation(
        [source],
        masks,
        kind,
        descriptions,
        *("1.2.3.4", 1, "1.2.3.5", 1, "A", "B", "1", "2"),
        transfer_syntax_uid=syntax,
    )
    written.save_as(tmp_path / "b.dcm")
    (image,) = read(tmp_path / "b.dcm").images
    assert (image.instance, image.asked) == (RADIOGRAPH, ("Nodule", "Effusion"))
    for name, mask in (("Nodule", NODULE), ("Effusion", effusion)):
        np.testing.assert_array_equal(drawn(image, SIZE)[1][name], mask)
