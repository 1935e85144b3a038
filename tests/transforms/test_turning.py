"""Orientation: EXIF and TIFF against Pillow, volumes against SimpleITK and against what dcm2niix writes."""

import itertools
from io import BytesIO

import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image, ImageOps

from transforms.read import radiograph_size, radiograph_spacing, read_radiograph
from transforms.turning import AS_STORED, anatomical_turn

WORDS = np.random.default_rng(3).integers(0, 65536, (5, 7)).astype(np.uint16)
WORDS[0, 0] = 65535
FLIPS = {"as stored": np.s_[:, :], "rows": np.s_[::-1, :], "columns": np.s_[:, ::-1], "both": np.s_[::-1, ::-1]}


def check(path, expected, spacing=None):
    """That a file is read as ``expected``, and that its header alone says the same size and spacing."""
    image, meta = read_radiograph(path)
    np.testing.assert_allclose(image, expected / 65535, atol=1e-6)
    assert radiograph_size(path) == image.shape == meta["original_size"]
    assert radiograph_spacing(path) == meta["spacing"]
    if spacing is not None:
        assert meta["spacing"] == pytest.approx(spacing)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["jpg", "png", "colour.png", "late.png", "tif", "deflate.tif"])
def test_pictures_are_turned_as_pillow_turns_them(tmp_path, form, orientation):
    smooth = cv2.resize(np.random.default_rng(1).integers(0, 256, (3, 4)).astype(np.uint8), (48, 32))
    picture = Image.fromarray(smooth).convert("RGB" if form == "colour.png" else "L")
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{form}"
    if form.endswith("tif"):
        picture.save(path, tiffinfo={274: orientation}, compression="tiff_adobe_deflate" if "deflate" in form else None)
    else:
        picture.save(path, exif=exif, **({"quality": 100} if form == "jpg" else {}))
    if form == "late.png":  # EXIF data may stand behind the pixels (PNG specification, 11.3.4.5)
        content = path.read_bytes()
        start = content.index(b"eXIf") - 4
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        path.write_bytes(content[:start] + content[end:-12] + content[start:end] + content[-12:])
    with Image.open(BytesIO(path.read_bytes())) as stored:  # from a path, Pillow 13 forgets to turn a plain TIFF
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("L"))
    image, _ = read_radiograph(path)
    assert radiograph_size(path) == image.shape == expected.shape
    np.testing.assert_allclose(image, expected / 255, atol=1.01 / 255)


def test_damaged_exif_says_nothing(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    at = content.index(b"Exif\0\0") + 6
    (tmp_path / "a.jpg").write_bytes(content[: at + 4] + b"\xff\xff\xff\x7f" + content[at + 8 :])
    assert radiograph_size(tmp_path / "a.jpg") == read_radiograph(tmp_path / "a.jpg")[0].shape == (4, 6)


def directions():
    """All 24 proper directions of a volume, with which of its axes has a single pixel."""
    for axes, signs in itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[list(axes), range(3)] = signs
        if np.linalg.det(matrix) > 0:
            for single in range(3):
                yield matrix, single, axes[single]


@pytest.mark.parametrize("suffix", ["mha", "mhd", "nrrd", "nhdr", "nii", "nii.gz"])
def test_volumes_are_turned_as_simpleitk_turns_them(tmp_path, suffix):
    """DICOMOrient as oracle: axial slices left and back, coronal ones left and down, sagittal ones back and down."""
    for matrix, single, normal in directions():
        shape = [5, 7]
        shape.insert(2 - single, 1)
        volume = SimpleITK.GetImageFromArray(WORDS.reshape(shape))
        volume.SetDirection(matrix.ravel())
        volume.SetSpacing([0.1, 0.2, 0.3])
        volume.SetOrigin([1, 2, 3])
        SimpleITK.WriteImage(volume, str(tmp_path / f"a.{suffix}"), suffix in ("mha", "nrrd"))
        upright = SimpleITK.DICOMOrient(volume, {2: "LPS", 1: "LIP", 0: "PIL"}[normal])
        check(tmp_path / f"a.{suffix}", SimpleITK.GetArrayFromImage(upright)[0], upright.GetSpacing()[1::-1])


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii"])
@pytest.mark.parametrize(
    ("direction", "expected", "spacing"),
    [
        ([1, 0, 0, 1], WORDS, (0.2, 0.1)),  # the identity: as it was written
        ([1, 0, 0, -1], WORDS[::-1], (0.2, 0.1)),
        ([-1, 0, 0, 1], WORDS[:, ::-1], (0.2, 0.1)),
        ([0, 1, 1, 0], WORDS.T, (0.1, 0.2)),
    ],
)
def test_planes_of_simpleitk(tmp_path, suffix, direction, expected, spacing):
    plane = SimpleITK.GetImageFromArray(WORDS)
    plane.SetDirection(direction)
    plane.SetSpacing([0.1, 0.2])
    SimpleITK.WriteImage(plane, str(tmp_path / f"a.{suffix}"))
    check(tmp_path / f"a.{suffix}", expected, spacing)


# Affines, right-anterior-superior, of radiographs that dcm2niix 1.0.20260724 converted, bottom row first: without and
# with ImageOrientationPatient (coronal, axial, sagittal); one of them in nibabel's closest canonical form; and others.
BY_DCM2NIIX = {
    "unsaid": ([[-0.1, 0, 0, 1.95], [0, 0.2, 0, -4.7], [0, 0, 1, 0]], "rows"),
    "coronal": ([[-0.1, 0, 0, 0], [0, 0, -1, 0], [0, 0.2, 0, -9.4]], "rows"),
    "axial": ([[-0.1, 0, 0, 0], [0, 0.2, 0, -9.4], [0, 0, 1, 0]], "rows"),
    "sagittal": ([[0, 0, 1, 0], [-0.1, 0, 0, 0], [0, 0.2, 0, -9.4]], "rows"),
    "canonical": ([[0.1, 0, 0, -1.95], [0, 0.2, 0, -4.7], [0, 0, 1, 0]], "both"),
    "as simpleitk writes the identity": ([[-0.1, 0, 0, 0], [0, -0.2, 0, 0], [0, 0, 1, 0]], "as stored"),
    "sizes alone": ([[0.1, 0, 0, 0], [0, 0.2, 0, 0], [0, 0, 1, 0]], "as stored"),
    "nothing but eye(4)": (np.eye(4)[:3], "as stored"),
}


@pytest.mark.parametrize("name", BY_DCM2NIIX)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_follows_its_affine(tmp_path, name, kind):
    affine, stored = BY_DCM2NIIX[name]
    pixels = WORDS[FLIPS[stored]].T[..., None]  # x first, and in the order that the affine says
    volume = kind(pixels.astype(np.int32), np.vstack([affine, [0, 0, 0, 1]]))
    if name == "unsaid":
        volume.set_sform(None, 0)
        volume.set_qform(None, 0)
    nibabel.save(volume, tmp_path / "a.nii.gz")
    check(tmp_path / "a.nii.gz", WORDS)


def test_a_canonical_coronal_slice_is_in_the_middle_axis(tmp_path):
    # nibabel.as_closest_canonical of a coronal radiograph: right, anterior (one pixel), superior.
    pixels = WORDS[::-1, ::-1].T[:, None, :]
    affine = np.array([[0.1, 0, 0, -3.9], [0, 1, 0, 0], [0, 0, 0.2, -9.4], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(pixels.astype(np.int32), affine), tmp_path / "a.nii")
    check(tmp_path / "a.nii", WORDS, (0.2, 0.1))


NRRD = "NRRD0005\ntype: uint16\ndimension: {axes}\nsizes: {sizes}\nendian: little\nencoding: raw\n{more}\n\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("spacings: 0.1 0.2", WORDS),
        ("space: left-posterior-superior\nspace directions: (0.1,0,0) (0,-0.2,0)", WORDS[::-1]),
        ("space: RAS\nspace directions: (-0.1,0,0) (0,0,0.2)", WORDS[::-1]),
        ("space: right-anterior-superior\nspace directions: (0.1,0,0) (0,0,-0.2)", WORDS[:, ::-1]),
        ("space: left-anterior-superior\nspace directions: (0.1,0,0) (0,0.2,0)", WORDS[::-1]),
        ("space: scanner-xyz\nspace directions: (0.1,0,0) (0,-0.2,0)", WORDS),  # of no known place in the patient
        # dcm2niix -e y of a radiograph without orientation or spacing: unit steps, the bottom row first.
        ("space: right-anterior-superior\nspace directions: (1,0,0) (0,1,0)", WORDS[::-1]),
    ],
)
def test_nrrd_follows_its_space(tmp_path, more, expected):
    header = NRRD.format(axes=2, sizes="7 5", more=more)
    (tmp_path / "a.nrrd").write_bytes(header.encode() + WORDS.tobytes())
    check(tmp_path / "a.nrrd", expected)


def test_oblique_axes_count_as_the_nearest():
    # 20 degrees off the body's axes: the rows still run down and the columns to the left.
    sine, cosine = np.sin(np.radians(20)), np.cos(np.radians(20))
    assert anatomical_turn((cosine, sine, 0), (0, sine, -cosine)) == AS_STORED
    assert anatomical_turn((0, 0, 0), (0, 0, 1)) == anatomical_turn((np.nan, 0, 0), (0, 0, 1)) == AS_STORED
