"""Pictures and volumes: every kind written by another library (Pillow, nibabel, SimpleITK) must come back the same."""

import gzip
import struct
import zlib

import cv2
import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from transforms.errors import RadiographError
from transforms.formats import read_picture, unit_range
from transforms.read import read_radiograph

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (20, 30)).astype(np.uint8)
BYTES[0, 0] = 200
WORDS = RNG.integers(0, 65536, (20, 30)).astype(np.uint16)
WORDS[0, 0] = 65535
# ITU-R BT.601 luma, by hand: 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2, rounded.
COLOUR = np.full((20, 30, 3), (200, 100, 50), np.uint8)
LUMA = 124 / 255


def save(path, pixels, *mode):
    Image.fromarray(pixels, *mode).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_pictures(tmp_path, suffix):
    for pixels, top in ((BYTES, 255), (WORDS, 65535)):
        image, meta = read_radiograph(save(tmp_path / f"a.{suffix}", pixels))
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        np.testing.assert_allclose(image, pixels / top, atol=1e-7)
        assert meta["original_size"] == (20, 30)
        assert meta["bits"] == {255: 8, 65535: 16}[top]


@pytest.mark.parametrize("strategy", range(5))
@pytest.mark.parametrize("pixels", [BYTES, WORDS, BYTES[:1, :1]], ids=["8 bit", "16 bit", "one pixel"])
def test_grey_png_is_decoded_as_opencv_does(pixels, strategy):
    # OpenCV as oracle, over the filters that a PNG may be written with.
    written = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_STRATEGY, strategy])[1].tobytes()
    top = 255 if pixels.dtype == np.uint8 else 65535
    oracle = cv2.imdecode(np.frombuffer(written, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read_picture(written)[0], oracle / np.float32(top))


def test_a_png_that_is_damaged_under_right_checksums_is_read_or_refused():
    good, generator, refused = cv2.imencode(".png", BYTES)[1].tobytes(), np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(good)
        damaged[generator.integers(16, len(good) - 12)] = generator.integers(256)
        try:
            image, _ = read_picture(with_checksums(damaged))
            assert 0 <= image.min() <= image.max() <= 1
        except RadiographError:
            refused += 1
    assert refused > 10


def with_checksums(png):
    """The same chunks, each with the checksum of what it holds."""
    result, at = bytes(png[:8]), 8
    while at + 12 <= len(png) and at + 12 + int.from_bytes(png[at : at + 4], "big") <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        result += png[at:end] + struct.pack(">I", zlib.crc32(png[at + 4 : end]))
        at = end + 4
    return result


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_colour_becomes_grey(tmp_path, suffix):
    alpha = RNG.integers(0, 256, (20, 30, 1)).astype(np.uint8)
    equal = np.repeat(BYTES[..., None], 3, axis=2)
    for pixels, expected in (
        (COLOUR, LUMA),
        (np.concatenate([COLOUR, alpha], axis=2), LUMA),
        (equal, BYTES / 255),
        (np.concatenate([equal, alpha], axis=2), BYTES / 255),
        (np.stack([BYTES, alpha[..., 0]], axis=2), BYTES / 255),
    ):
        image, _ = read_radiograph(save(tmp_path / f"a.{suffix}", pixels))
        np.testing.assert_allclose(image, np.broadcast_to(expected, (20, 30)), atol=1e-6)


def test_16_bit_colour(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.repeat(WORDS[..., None], 3, axis=2))
    np.testing.assert_allclose(read_radiograph(path)[0], WORDS / 65535, atol=1e-6)


def test_palette_and_one_bit(tmp_path):
    picture = Image.fromarray(BYTES).convert("P")
    picture.save(tmp_path / "palette.png")
    np.testing.assert_allclose(read_radiograph(tmp_path / "palette.png")[0], BYTES / 255, atol=1e-6)
    Image.fromarray(BYTES > 127).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_radiograph(tmp_path / "bit.png")[0], BYTES > 127)


def test_jpeg_with_orientation(tmp_path):
    smooth = np.linspace(0, 255, 30).astype(np.uint8)[None].repeat(20, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter: the left column becomes the top row
    Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=exif, quality=100)
    image, meta = read_radiograph(tmp_path / "a.jpg")
    assert meta["original_size"] == (30, 20)
    np.testing.assert_allclose(image, smooth.T / 255, atol=3 / 255)


def tiff(pixels, photometric, following=0):
    """The smallest grey TIFF: TIFF 6.0, section 4, with its photometric interpretation chosen."""
    data, (height, width), bits = pixels.tobytes(), pixels.shape, pixels.itemsize * 8
    tags = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    tags += [(277, 3, 1), (278, 3, height), (279, 4, len(data))]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    start = struct.pack("<I", 8 + len(data))
    return b"II*\0" + start + data + struct.pack("<H", len(tags)) + directory + struct.pack("<I", following)


@pytest.mark.parametrize(("pixels", "top"), [(BYTES, 255), (WORDS, 65535)])
def test_tiff_whose_zero_is_white(tmp_path, pixels, top):
    (tmp_path / "a.tif").write_bytes(tiff(pixels, 0))
    np.testing.assert_allclose(read_radiograph(tmp_path / "a.tif")[0], 1 - pixels / top, atol=1e-6)
    (tmp_path / "b.tif").write_bytes(tiff(pixels, 1))
    np.testing.assert_allclose(read_radiograph(tmp_path / "b.tif")[0], pixels / top, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected", "bits"),
    [
        (np.array([0, 51], np.uint8), [0, 0.2], 8),
        (np.array([0, 255], np.uint16), [0, 1], 8),
        (np.array([0, 256], np.uint16), [0, 256 / 1023], 10),
        (np.array([0, 2047, 4095], np.uint16), [0, 2047 / 4095, 1], 12),
        (np.array([0, 4096], np.uint16), [0, 4096 / 16383], 14),
        (np.array([0, 30000], np.int16), [0, 30000 / 32767], 15),
        (np.array([0, 40000], np.int32), [0, 40000 / 65535], 16),
        (np.array([0, 100000], np.int32), [0, 1], 0),
        (np.array([-1000, 0, 1000], np.int16), [0, 0.5, 1], 0),
        (np.array([0.25, 0.5], np.float32), [0.25, 0.5], 0),
        (np.array([-1.0, 0.0, 3.0]), [0, 0.25, 1], 0),
        (np.array([False, True]), [0, 1], 0),
        (np.array([7.0, 7.0]), [0, 0], 0),
    ],
)
def test_unit_range(values, expected, bits):
    """By hand from the rule in the docstring."""
    image, depth = unit_range(values)
    np.testing.assert_allclose(image, expected, atol=1e-7)
    assert (image.dtype, depth) == (np.float32, bits)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_must_be_finite(bad):
    with pytest.raises(RadiographError, match="not finite"):
        unit_range(np.array([0.0, bad]))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_is_read_rows_first(tmp_path, suffix, axes, kind):
    stored = WORDS.T.reshape(30, 20, *[1] * (axes - 2))  # x first
    volume = kind(stored.astype(np.int32), np.diag([0.1, 0.2, 1, 1]))
    nibabel.save(volume, tmp_path / f"a{suffix}")
    image, meta = read_radiograph(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(image, WORDS / 65535, atol=1e-6)
    assert meta["spacing"] == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii", ".nii.gz"])
@pytest.mark.parametrize("slices", [None, 1])
def test_what_simpleitk_writes(tmp_path, suffix, slices):
    volume = SimpleITK.GetImageFromArray(WORDS if slices is None else WORDS[None])
    volume.SetSpacing([0.1, 0.2] if slices is None else [0.1, 0.2, 1.0])
    SimpleITK.WriteImage(volume, str(tmp_path / f"a{suffix}"))
    image, meta = read_radiograph(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(image, WORDS / 65535, atol=1e-6)
    assert meta["spacing"] == pytest.approx((0.2, 0.1))


def test_mha_in_colour(tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(COLOUR, isVector=True), str(tmp_path / "a.mha"))
    np.testing.assert_allclose(read_radiograph(tmp_path / "a.mha")[0], LUMA, atol=1e-6)


def written(name, folder):
    """A file that is bad in the way that its name says."""
    path = folder / {
        "volume": "a.nii.gz",
        "stack": "a.mha",
        "pages": "a.tif",
        "absurd png": "a.png",
        "absurd mha": "a.mha",
        "bomb": "a.nii.gz",
    }.get(name, "a.png")
    if name == "volume":
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), path)
    elif name == "stack":
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((4, 5, 6), np.int16)), str(path))
    elif name == "pages":
        path.write_bytes(tiff(BYTES, 1, following=8))
    elif name == "absurd png":
        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
        chunk = b"IHDR" + header
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)))
    elif name == "absurd mha":
        text = (
            "ObjectType = Image\nNDims = 2\nDimSize = 60000 60000\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        )
        path.write_text(text)
    elif name == "bomb":
        path.write_bytes(gzip.compress(bytes(10_000_000))[:-8])
    else:
        save(path, BYTES)
        whole = path.read_bytes()
        flipped = bytes([whole[300] ^ 1])
        path.write_bytes(whole[: len(whole) // 2] if name == "cut" else whole[:300] + flipped + whole[301:])
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("volume", r"\(4, 5, 6\) pixels, not one slice"),
        ("stack", r"\(6, 5, 4\) pixels, not one slice"),
        ("pages", "several pages"),
        ("absurd png", "60000 rows by 60000 columns, more than the 200 megapixels"),
        ("absurd mha", "60000 rows by 60000 columns, more than the 200 megapixels"),
        ("bomb", "truncated"),
        ("cut", "truncated: its PNG ends early"),
        ("flipped", "checksum of its PNG chunk b'IDAT' is wrong"),
    ],
)
def test_bad_files_say_why(tmp_path, name, message):
    path = written(name, tmp_path)
    with pytest.raises(RadiographError, match=message) as caught:
        read_radiograph(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_pictures(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), RNG.integers(0, 256, (64, 64)).astype(np.uint8))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RadiographError, match=r"truncated|damaged"):
        read_radiograph(path)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "mha", "nrrd"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_volumes(tmp_path, suffix, share):
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(WORDS), str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RadiographError, match="truncated"):
        read_radiograph(path)


def test_published_radiographs_keep_their_values(frugal_data):
    """8-bit PNGs: the pixels divided by 255, by Pillow."""
    for path in sorted((frugal_data / "nih" / "images_1024").glob("*.png"))[:4]:
        expected = np.asarray(Image.open(path).convert("L")) / 255
        np.testing.assert_allclose(read_radiograph(path)[0], expected, atol=1e-6)
