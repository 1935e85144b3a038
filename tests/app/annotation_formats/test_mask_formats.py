"""Masks as pictures, NIfTI, MetaImage and NRRD: names of findings, values, layers, and which way up they lie."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its own convention
from PIL import Image

from app.annotation_formats.drawing import NamedMark, Target, draw
from app.annotation_formats.label_maps import itk_snap_names, looks_like_itk_snap, looks_like_value_names, value_names
from app.annotation_formats.marks import AnnotationError
from app.annotation_formats.mask_files import image_names, read_masks
from app.datalist.run_lengths import decode
from app.findings import canonical
from transforms.dicom_reference import references
from transforms.errors import RadiographError
from transforms.label_maps import read_label_map

SIZE = (12, 17)
DESCRIPTION = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "Pleural effusion"
    2     0  255    0     0.45  1  0    "Nodule"
"""


def is_finding(name: str) -> bool:
    return canonical(name) is not None


def labels() -> np.ndarray:
    """Two findings that no turn or mirror leaves in place."""
    values = np.zeros(SIZE, np.uint8)
    values[1:3, 2:9] = 1
    values[7:11, 12:14] = 2
    return values


def write_dicom(path: Path, orientation: list[float] | None) -> Path:
    from pydicom.dataset import FileMetaDataset

    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.4.5"
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "DX", "MONOCHROME2", 1
    data.Rows, data.Columns = SIZE
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelSpacing = data.ImagerPixelSpacing = [0.2, 0.3]
    if orientation:
        data.ImageOrientationPatient, data.ImagePositionPatient = orientation, [10.0, -20.0, 30.0]
    data.PixelData = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


ORIENTATIONS = {
    "none": None,
    "as a radiograph hangs": [1, 0, 0, 0, 0, -1],
    "seen from behind": [-1, 0, 0, 0, 0, -1],
    "upside down": [1, 0, 0, 0, 0, 1],
    "lying on its side": [0, 0, 1, 1, 0, 0],
    "axial": [1, 0, 0, 0, 1, 0],
}


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_mask_in_the_geometry_of_a_dicom_file_lies_on_its_pixels(tmp_path: Path, name: str, suffix: str):
    dicom = write_dicom(tmp_path / "7.dcm", ORIENTATIONS[name])
    radiograph = sitk.ReadImage(str(dicom))
    drawn = sitk.GetImageFromArray(labels()[None])
    drawn.CopyInformation(radiograph)
    (reference,) = references([dicom])
    for axes in ("", "RAS", "LIP"):  # programs may turn the axes, but not what lies where in the patient
        turned = sitk.DICOMOrient(drawn, axes) if axes else drawn
        (tmp_path / "masks").mkdir(exist_ok=True)
        sitk.WriteImage(turned, str(tmp_path / "masks" / f"7{suffix}"))
        export = read_masks(
            tmp_path / "masks", [tmp_path / "masks" / f"7{suffix}"], {1: "Effusion", 2: "Nodule"}, is_finding
        )
        (image,) = export.images
        marks = [NamedMark(mark.name, mark, image.frame) for mark in image.marks]
        masks = draw(marks, Target(SIZE, reference.turn), {})[1]
        np.testing.assert_array_equal(decode(masks["Effusion"]), labels() == 1, err_msg=axes)
        np.testing.assert_array_equal(decode(masks["Nodule"]), labels() == 2, err_msg=axes)


def test_a_picture_s_mask_lies_on_the_pixels_of_a_dicom_file_whatever_its_orientation(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "7_nodule.png"), (labels() == 2).astype(np.uint8) * 255)
    (image,) = read_masks(tmp_path, [tmp_path / "7_nodule.png"], {}, is_finding).images
    (reference,) = references([write_dicom(tmp_path / "7.dcm", ORIENTATIONS["seen from behind"])])
    masks = draw([NamedMark("Nodule", image.marks[0], None)], Target(SIZE, reference.turn), {})[1]
    np.testing.assert_array_equal(decode(masks["Nodule"]), labels() == 2)


NAMES = {
    "7_nodule.png": (("7_nodule", "7"), "nodule"),
    "w/7_pleural_effusion_mask.png": (("w/7_pleural_effusion_mask", "w/7_pleural_effusion", "w/7"), "pleural_effusion"),
    "pneumothorax/7.png": (("pneumothorax/7", "7"), "pneumothorax"),
    "7.seg.nrrd": (("7.seg", "7"), ""),
    "7-label.nii.gz": (("7-label", "7"), ""),
    "1.2.840.dcm_lung_nodule.png": (("1.2.840.dcm_lung_nodule", "1.2.840.dcm"), "lung_nodule"),
    "nodule.png": (("nodule",), ""),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_masks(name: str):
    names, finding = image_names(Path("m") / name, Path("m"), is_finding)
    expected, meant = NAMES[name]
    assert finding == meant
    assert set(expected) <= set(names)


def write(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def marked(
    folder: Path, *files: Path, named: dict[int, str] | None = None
) -> dict[str, tuple[set[str], tuple[str, ...]]]:
    export = read_masks(folder, files, named or {}, is_finding)
    return {image.names[-1]: ({mark.name for mark in image.marks}, image.asked) for image in export.images}


def test_a_file_of_one_finding_was_asked_for_it_alone(tmp_path: Path):
    empty = np.zeros(SIZE, np.uint8)
    files = [
        write(tmp_path / "7_nodule.png", (labels() == 2) * np.uint8(255)),
        write(tmp_path / "effusion" / "8.png", empty),
    ]
    assert marked(tmp_path, *files) == {"7": ({"nodule"}, ("nodule",)), "8": (set(), ("effusion",))}


def test_values_have_the_names_that_are_given(tmp_path: Path):
    files = [write(tmp_path / "7.png", labels()), write(tmp_path / "8.png", np.zeros(SIZE, np.uint8))]
    asked = ("Effusion", "Nodule")
    assert marked(tmp_path, *files, named={1: "Effusion", 2: "Nodule"}) == {
        "7": (set(asked), asked),
        "8": (set(), asked),
    }
    assert marked(tmp_path, *files)["7"][0] == {"1", "2"}  # which --map may name


def test_a_palette_s_numbers_are_values(tmp_path: Path):
    picture = Image.fromarray(labels(), "P")
    picture.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    picture.save(tmp_path / "7.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "7.png").layers, labels()[None])


def test_a_coloured_mask_is_one_finding(tmp_path: Path):
    red = np.zeros((*SIZE, 3), np.uint8)
    red[labels() == 2] = (255, 0, 0)
    write(tmp_path / "7_nodule.png", red)
    assert marked(tmp_path, tmp_path / "7_nodule.png") == {"7": ({"nodule"}, ("nodule",))}
    red[labels() == 1] = (0, 255, 0)
    with pytest.raises(RadiographError, match="is no mask"):
        marked(tmp_path, write(tmp_path / "7_nodule.png", red))


def test_names_of_values_in_files(tmp_path: Path):
    (tmp_path / "labels.txt").write_text(DESCRIPTION)
    assert looks_like_itk_snap(DESCRIPTION)
    assert not looks_like_itk_snap("0 0.5 0.5 0.1 0.1\n")
    assert itk_snap_names(tmp_path / "labels.txt") == {1: "Pleural effusion", 2: "Nodule"}
    for text in ('{"1": "Effusion", "2": "Nodule"}', '{"labels": {"background": 0, "Effusion": 1, "Nodule": 2}}'):
        (tmp_path / "labels.json").write_text(text)
        assert value_names(tmp_path / "labels.json") == {1: "Effusion", 2: "Nodule"}
    assert not looks_like_value_names({"a": 1})
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(AnnotationError, match="must be an object of values and names"):
        value_names(tmp_path / "labels.json")


def write_slicer(path: Path, layers: np.ndarray, pairs: dict[str, str], flip: bool = False) -> Path:
    """A .seg.nrrd by hand: (L, H, W) layers, the layers next to each other where there are several."""
    count, height, width = layers.shape
    sign = "-1" if flip else "1"
    vectors = f"({sign},0,0) (0,1,0) (0,0,1)"
    several = count > 1
    head = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "type: unsigned char",
        f"dimension: {4 if several else 3}",
        "space: left-posterior-superior",
        f"sizes: {f'{count} ' if several else ''}{width} {height} 1",
        f"space directions: {'none ' if several else ''}{vectors}",
        f"kinds: {'list ' if several else ''}domain domain domain",
        "encoding: raw",
        "space origin: (0,0,0)",
        *(f"{key}:={value}" for key, value in pairs.items()),
        "",
        "",
    ]
    path.write_bytes("\n".join(head).encode() + np.moveaxis(layers, 0, -1).astype(np.uint8).tobytes())
    return path


def segment(number: int, name: str, value: int, layer: int | None = None) -> dict[str, str]:
    pairs = {f"Segment{number}_Name": name, f"Segment{number}_LabelValue": str(value)}
    return pairs if layer is None else {**pairs, f"Segment{number}_Layer": str(layer)}


def slicer_masks(folder: Path, layers: np.ndarray, pairs: dict[str, str], flip: bool = False) -> tuple[dict, tuple]:
    file = write_slicer(folder / "7.seg.nrrd", layers, pairs, flip)
    (image,) = read_masks(folder, [file], {}, is_finding).images
    masks = draw([NamedMark(mark.name, mark, None) for mark in image.marks], Target(SIZE), {})[1]
    return {name: decode(mask) for name, mask in masks.items()}, image.asked


def test_segments_in_several_layers(tmp_path: Path):
    first, second = labels(), np.zeros(SIZE, np.uint8)
    second[1:6, 4:7] = 1  # overlaps the first layer's
    pairs = (
        segment(0, "Effusion", 1, 0) | segment(1, "Nodule", 2, 0) | segment(2, "Mass", 1, 1) | segment(3, "Edema", 2, 1)
    )
    masks, asked = slicer_masks(tmp_path, np.stack([first, second]), pairs)
    assert asked == ("Effusion", "Nodule", "Mass", "Edema")
    assert masks.keys() == {"Effusion", "Nodule", "Mass"}  # the last one is empty: nowhere
    np.testing.assert_array_equal(masks["Effusion"], first == 1)
    np.testing.assert_array_equal(masks["Nodule"], first == 2)
    np.testing.assert_array_equal(masks["Mass"], second == 1)


@pytest.mark.parametrize("flip", [False, True])
def test_a_cropped_segmentation_is_put_in_its_place(tmp_path: Path, flip: bool):
    whole = labels()[:, ::-1] if flip else labels()
    rows, columns = slice(0, 11), slice(1, 16)
    pairs = segment(0, "Effusion", 1) | segment(1, "Nodule", 2)
    pairs["Segmentation_ReferenceImageExtentOffset"] = "1 0 0"
    pairs |= {"Segment0_Layer": "0", "Segment1_Layer": "0"}
    masks, _ = slicer_masks(tmp_path, whole[rows, columns][None], pairs, flip)
    np.testing.assert_array_equal(masks["Effusion"], labels() == 1)
    np.testing.assert_array_equal(masks["Nodule"], labels() == 2)


def test_a_single_voxel_is_a_segmentation_of_nothing(tmp_path: Path):
    masks, asked = slicer_masks(tmp_path, np.zeros((1, 1, 1)), segment(0, "Nodule", 1, 0))
    assert (masks, asked) == ({}, ("Nodule",))


def test_layers_agree_with_pynrrd(tmp_path: Path):
    nrrd = pytest.importorskip("nrrd")
    layers = np.stack([labels(), labels()[::-1], labels()[:, ::-1]])
    file = write_slicer(tmp_path / "7.seg.nrrd", layers, segment(0, "Nodule", 1, 0))
    values, _ = nrrd.read(str(file))  # (L, W, H, 1)
    np.testing.assert_array_equal(read_label_map(file).layers, values[..., 0].swapaxes(1, 2))


def test_layers_in_a_file_beside_the_header(tmp_path: Path):
    layers = np.stack([value * labels() for value in range(1, 5)])
    whole = write_slicer(tmp_path / "7.seg.nrrd", layers, segment(0, "Nodule", 1, 0))
    head, _, pixels = whole.read_bytes().partition(b"\n\n")
    (tmp_path / "7.raw").write_bytes(pixels)
    (tmp_path / "8.seg.nhdr").write_bytes(head + b"\ndata file: 7.raw\n\n")
    apart = read_label_map(tmp_path / "8.seg.nhdr")
    np.testing.assert_array_equal(apart.layers, layers)
    assert apart.pairs == read_label_map(whole).pairs


def test_masks_of_another_size_are_refused(tmp_path: Path):
    (image,) = read_masks(tmp_path, [write(tmp_path / "7_nodule.png", labels()[:-1] * 1)], {}, is_finding).images
    with pytest.raises(AnnotationError, match=r"mask has 17 x 11 pixels .* but the radiograph has 17 x 12"):
        draw([NamedMark("Nodule", image.marks[0], None)], Target(SIZE), {})
    pairs = segment(0, "Nodule", 1, 0) | {"Segmentation_ReferenceImageExtentOffset": "9 0 0"}
    with pytest.raises(AnnotationError, match=r"from column 9, row 0, but the image has 17 x 12"):
        slicer_masks(tmp_path, labels()[None], pairs)


def test_bad_label_maps(tmp_path: Path):
    values = labels().astype(np.float32)
    for change, message in ((0.5, "no whole numbers"), (-3.0, "negative value -3"), (np.nan, "no whole numbers")):
        values[0, 0] = change
        sitk.WriteImage(sitk.GetImageFromArray(values[None]), str(tmp_path / "7.nii.gz"))
        with pytest.raises(RadiographError, match=message):
            read_label_map(tmp_path / "7.nii.gz")
    many = np.arange(17 * 20, dtype=np.uint16).reshape(20, 17)
    with pytest.raises(RadiographError, match="340 different values"):
        read_label_map(write(tmp_path / "8.png", many))
    with pytest.raises(RadiographError, match="no segmentation object"):
        read_label_map(write_dicom(tmp_path / "7.dcm", None))
    with pytest.raises(AnnotationError, match="Segment0_LabelValue must be a whole number, not 'x'"):
        slicer_masks(tmp_path, labels()[None], {"Segment0_Name": "Nodule", "Segment0_LabelValue": "x"})
    header = (tmp_path / "7.seg.nrrd").read_bytes()
    for old, new, message in (
        (b"encoding", b"decoding", "lacks 'encoding'"),
        (b"(1,0,0)", b"(x,0,0)", "cannot be read"),
    ):
        (tmp_path / "8.seg.nrrd").write_bytes(header.replace(old, new))
        with pytest.raises(RadiographError, match=message):
            read_label_map(tmp_path / "8.seg.nrrd")
    (tmp_path / "cut.png").write_bytes((tmp_path / "8.png").read_bytes()[:-30])
    with pytest.raises(RadiographError, match="truncated"):
        read_label_map(tmp_path / "cut.png")
