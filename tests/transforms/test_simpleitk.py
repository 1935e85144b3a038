"""Formats that SimpleITK alone reads: what it wrote comes back the same, and what is cut or damaged is refused."""

import locale
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from transforms.errors import RadiographError
from transforms.masks import read_mask
from transforms.read import radiograph_size, radiograph_spacing, read_radiograph

RNG = np.random.default_rng(7)
WORDS = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
WORDS[0, 0] = 65535
COLOUR = np.full((20, 30, 3), (200, 100, 50), np.uint8)
# ITU-R BT.601 luma, by hand: 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2, rounded.
LUMA = 124 / 255
RAW = ("gipl", "mrc", "vtk")
KINDS = (*RAW, "jp2", "j2k")


def written(folder: Path, suffix: str, pixels: np.ndarray = WORDS, is_colour: bool = False) -> Path:
    image = SimpleITK.GetImageFromArray(pixels, isVector=is_colour)
    image.SetSpacing([0.1, 0.2, 1.0][: image.GetDimension()])
    SimpleITK.WriteImage(image, str(folder / f"a.{suffix}"))
    return folder / f"a.{suffix}"


@pytest.mark.parametrize("suffix", KINDS)
def test_what_simpleitk_writes(tmp_path: Path, suffix: str):
    path = written(tmp_path, suffix)
    image, meta = read_radiograph(path)
    np.testing.assert_allclose(image, WORDS / 65535, atol=1e-6)
    assert radiograph_size(path) == meta["original_size"] == (20, 30)
    assert radiograph_spacing(path) == meta["spacing"]
    assert meta["bits"] == 16
    if suffix in RAW:
        assert meta["spacing"] == pytest.approx((0.2, 0.1))


def test_the_locale_of_the_process_stays_as_it_is(tmp_path: Path):
    before = locale.setlocale(locale.LC_ALL)
    read_radiograph(written(tmp_path, "vtk"))
    assert locale.setlocale(locale.LC_ALL) == before


@pytest.mark.parametrize("suffix", RAW)
def test_the_content_decides_and_not_the_name(tmp_path: Path, suffix: str):
    path = written(tmp_path, suffix).rename(tmp_path / "IM000001")
    np.testing.assert_allclose(read_radiograph(path)[0], WORDS / 65535, atol=1e-6)


@pytest.mark.parametrize("suffix", ["vtk", "jp2"])
def test_colours(tmp_path: Path, suffix: str):
    image, _ = read_radiograph(written(tmp_path, suffix, COLOUR, is_colour=True))
    np.testing.assert_allclose(image, LUMA, atol=1.01 / 255)


@pytest.mark.parametrize("suffix", KINDS)
def test_masks(tmp_path: Path, suffix: str):
    mask = WORDS > 30000
    np.testing.assert_array_equal(read_mask(written(tmp_path, suffix, mask.astype(np.uint8))), mask)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_cut_files_are_refused(tmp_path: Path, suffix: str, share: float):
    path = written(tmp_path, suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    reasons = "is truncated|is damaged|cannot be read: damaged or truncated|keeps its pixels as text"
    with pytest.raises(RadiographError, match=rf"a\.\w+: ({reasons})"):
        read_radiograph(path)


@pytest.mark.parametrize("suffix", RAW)
def test_a_size_smaller_than_the_pixels_is_noticed(tmp_path: Path, suffix: str):
    path = written(tmp_path, suffix)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(RadiographError, match="4 bytes follow the pixels"):
        read_radiograph(path)


@pytest.mark.parametrize("suffix", RAW)
def test_volumes_are_refused(tmp_path: Path, suffix: str):
    path = written(tmp_path, suffix, np.zeros((4, 5, 6), np.int16))
    for read in (read_radiograph, radiograph_size):
        with pytest.raises(RadiographError, match=r"\(6, 5, 4\) pixels, not one slice"):
            read(path)


def test_a_huge_claim_is_refused_before_anything_is_allocated(tmp_path: Path):
    path = written(tmp_path, "vtk")
    path.write_bytes(path.read_bytes().replace(b"DIMENSIONS 30 20 1", b"DIMENSIONS 60000 60000 1"))
    with pytest.raises(RadiographError, match="60000 rows by 60000 columns, more than the 200 megapixels"):
        read_radiograph(path)


def test_vtk_without_an_image_is_refused(tmp_path: Path):
    path = tmp_path / "a.vtk"
    path.write_bytes(b"# vtk DataFile Version 3.0\nmesh\nASCII\nDATASET POLYDATA\nPOINTS 1 float\n0 0 0\n")
    with pytest.raises(RadiographError, match=r"a\.vtk: is damaged: SimpleITK cannot read it"):
        read_radiograph(path)


def test_jpeg_2000_needs_its_name(tmp_path: Path):
    path = written(tmp_path, "jp2").rename(tmp_path / "a.img")
    with pytest.raises(RadiographError, match=r"is JPEG 2000 under another name; call it \.jp2"):
        read_radiograph(path)
