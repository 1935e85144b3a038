"""Mask files: what is drawn must be told the same way by values, palette and transparency, or is refused."""

import struct

import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

import transforms.pixels
from transforms.errors import RadiographError
from transforms.masks import read_mask

ROWS, COLUMNS = np.mgrid[:60, :100]
DISC = (ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 <= 100
"""317 pixels: Gauss's circle problem for a radius of 10."""
GREY = DISC.astype(np.uint8) * 255


def test_there_is_one_reader_of_masks():
    assert transforms.pixels.read_mask is read_mask
    assert DISC.sum() == 317


def palette(colours, indices=DISC):
    picture = Image.fromarray(indices.astype(np.uint8)).convert("P")
    picture.putpalette([part for colour in colours for part in colour])
    return picture


def layered(colour, opacity):
    return Image.fromarray(np.dstack([*[colour.astype(np.uint8)] * 3, opacity.astype(np.uint8)]))


CLEAR = {
    "grey.png": Image.fromarray(GREY),
    "ones.png": Image.fromarray(DISC.astype(np.uint8)),
    "words.png": Image.fromarray(DISC.astype(np.uint16) * 1000),
    "bit.png": Image.fromarray(DISC),
    "red.png": Image.fromarray(np.dstack([GREY, 0 * GREY, 0 * GREY])),
    "palette.png": palette([(0, 0, 0), (0, 128, 0)]),
    "opaque.png": layered(GREY, np.full(DISC.shape, 255)),
    "overlay.png": layered(GREY, GREY // 2),
    "grey.bmp": Image.fromarray(GREY),
    "bit.tif": Image.fromarray(DISC),
    "words.tif": Image.fromarray(DISC.astype(np.uint16)),
    "palette.tif": palette([(0, 0, 0), (255, 0, 0)]),
}


@pytest.mark.parametrize("name", CLEAR)
def test_a_clear_mask_is_what_was_drawn(tmp_path, name):
    CLEAR[name].save(tmp_path / name)
    np.testing.assert_array_equal(read_mask(tmp_path / name), DISC)


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii.gz"])
def test_a_mask_of_a_volume_format_is_turned_as_its_image_is(tmp_path, suffix):
    volume = SimpleITK.GetImageFromArray(DISC[::-1].astype(np.uint8))
    volume.SetDirection([1, 0, 0, -1])
    SimpleITK.WriteImage(volume, str(tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(read_mask(tmp_path / f"a.{suffix}"), DISC)


def test_a_mask_of_floating_numbers(tmp_path):
    nibabel.save(nibabel.Nifti1Image(DISC.T.astype(np.float32), np.eye(4)), tmp_path / "a.nii")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.nii"), DISC)


def test_exif_turns_a_mask(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), np.rot90(DISC, -1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white(tmp_path, bits, order):
    data = np.where(DISC, 0, 2**bits - 1).astype(f"{order}u{bits // 8}").tobytes()
    # Width, height, bits, no compression, white is zero, place, samples, rows and bytes of the one strip.
    entries = {256: 100, 257: 60, 258: bits, 259: 1, 262: 0, 273: 122, 277: 1, 278: 60, 279: len(data)}
    head = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    head += b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries.items())
    (tmp_path / "a.tif").write_bytes(head + bytes(4) + data)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), DISC)


def test_empty_and_full_masks(tmp_path):
    for value in (0, 255):
        cv2.imwrite(str(tmp_path / "a.png"), np.full((4, 5), value, np.uint8))
        assert (read_mask(tmp_path / "a.png") == bool(value)).all()


UNCLEAR = {
    # Ringing around the disc is above 0 as well: 460 pixels at a quality of 90.
    "disc.jpg": (Image.fromarray(GREY), r"is no mask: besides .* it holds \d+ of other values, as JPEG"),
    "smooth.png": (Image.fromarray(cv2.blur(GREY, (3, 3))), r"holds \d+ of other values"),
    "labels.png": (Image.fromarray(DISC + (ROWS > 30).astype(np.uint8)), r"several findings in one file"),
    "two colours.png": (Image.fromarray(np.dstack([GREY, 255 - GREY, GREY])), "of other values"),
    # Drawn on a transparent layer: the colour is black everywhere.
    "transparent.png": (layered(0 * GREY, GREY), "its colours mark 0 pixels, and its transparency 317"),
    # 60 x 100 - 317 = 5683 pixels have the white of the background.
    "white0.png": (
        palette([(255, 255, 255), (0, 0, 0)]),
        "its colours mark 5683 pixels, and its palette's numbers 317",
    ),
    "white0.tif": (palette([(255, 255, 255), (0, 0, 0)]), "its colours mark 5683 pixels"),
    "clear throughout.png": (layered(GREY, 0 * GREY), "its colours mark 317 pixels, and its transparency 0"),
    "black on clear.png": (layered(255 - GREY, GREY), "its colours mark 5683 pixels, and its transparency 317"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_unclear_mask_is_refused_with_what_it_holds(tmp_path, name):
    picture, message = UNCLEAR[name]
    picture.save(tmp_path / name, **({"quality": 90} if name.endswith("jpg") else {}))
    with pytest.raises(RadiographError, match=message) as caught:
        read_mask(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_missing_and_unreadable_masks(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.png: there is no such mask file"):
        read_mask(tmp_path / "a.png")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a\.png: not a picture that can be read as a mask"):
        read_mask(tmp_path / "a.png")
