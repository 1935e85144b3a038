"""Damage that a format can tell is told: checksums, lengths, libjpeg's warnings; and what is never opened at all."""

import bz2
import gzip
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from transforms.errors import RadiographError
from transforms.files import LARGEST_FILE
from transforms.read import radiograph_size, read_radiograph

RNG = np.random.default_rng(2)
SMOOTH = cv2.GaussianBlur(RNG.integers(0, 65536, (48, 40)).astype(np.uint16), (0, 0), 3)
BYTES = (SMOOTH >> 8).astype(np.uint8)
META = "ObjectType = Image\nNDims = 2\nDimSize = 40 48\nElementType = MET_USHORT\n{more}ElementDataFile = {file}\n"
NRRD = "NRRD0004\ntype: ushort\ndimension: 2\nsizes: 40 48\nendian: little\nencoding: {encoding}\n{more}\n"


def picture(pixels, form, **how):
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, form, **how)
    return stream.getvalue()


def volume(folder, suffix, compressed=False):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(SMOOTH), str(folder / f"w.{suffix}"), compressed)
    return (folder / f"w.{suffix}").read_bytes()


MADE = {
    "png": lambda _: picture(BYTES, "PNG"),
    "16-bit png": lambda _: picture(SMOOTH, "PNG"),
    "jpeg": lambda _: picture(BYTES, "JPEG", quality=95),
    "progressive jpeg": lambda _: picture(BYTES, "JPEG", progressive=True),
    "tiff": lambda _: picture(SMOOTH, "TIFF"),
    "deflate tiff": lambda _: picture(SMOOTH, "TIFF", compression="tiff_adobe_deflate"),
    "lzw tiff": lambda _: picture(SMOOTH, "TIFF", compression="tiff_lzw"),
    "bmp": lambda _: picture(BYTES, "BMP"),
    "mha": lambda folder: volume(folder, "mha"),
    "compressed mha": lambda folder: volume(folder, "mha", True),
    "nrrd": lambda folder: volume(folder, "nrrd"),
    "gzip nrrd": lambda folder: volume(folder, "nrrd", True),
    "bzip2 nrrd": lambda _: NRRD.format(encoding="bzip2", more="").encode() + bz2.compress(SMOOTH.tobytes()),
    "nii": lambda folder: volume(folder, "nii"),
    "nii.gz": lambda folder: volume(folder, "nii.gz"),
}
CHECKED = ("png", "16-bit png", "deflate tiff", "compressed mha", "gzip nrrd", "bzip2 nrrd", "nii.gz")
"""Those with a checksum over all pixels."""


def outcome(path, content, expected):
    """``same``, ``wrong`` or ``refused``."""
    path.write_bytes(content)
    try:
        image, _ = read_radiograph(path)
    except RadiographError as error:
        return "refused" if str(error).startswith(f"{path}: ") else str(error)
    assert radiograph_size(path) == image.shape
    return "same" if np.array_equal(image, expected) else "wrong"


@pytest.mark.parametrize("form", CHECKED)
def test_a_flipped_bit_never_gives_other_pixels_where_there_is_a_checksum(tmp_path, form):
    content, path = MADE[form](tmp_path), tmp_path / "a"
    path.write_bytes(content)
    expected, _ = read_radiograph(path)
    outcomes = []
    for place in RNG.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << RNG.integers(8)
        outcomes.append(outcome(path, bytes(damaged), expected))
    assert "wrong" not in outcomes
    assert outcomes.count("refused") > 50  # the rest hit a comment, or the name or time that gzip keeps


@pytest.mark.parametrize("form", MADE)
def test_a_cut_file_is_refused(tmp_path, form):
    content = MADE[form](tmp_path)
    for length in {1, 40, len(content) // 3, len(content) // 2, len(content) * 9 // 10, len(content) - 5}:
        assert outcome(tmp_path / "a", content[:length], None) == "refused", length


@pytest.mark.parametrize("form", MADE)
def test_zeros_behind_a_whole_file_do_not_matter(tmp_path, form):
    content = MADE[form](tmp_path)
    (tmp_path / "a").write_bytes(content)
    expected, _ = read_radiograph(tmp_path / "a")
    assert outcome(tmp_path / "a", content + bytes(100_000), expected) == "same"


@pytest.mark.parametrize("form", ["mha", "nrrd", "nii"])
def test_a_header_that_claims_fewer_pixels_than_there_are_is_refused(tmp_path, form):
    content = MADE[form](tmp_path)
    fewer = {
        "mha": (b"DimSize = 40 48", b"DimSize = 40 40"),
        "nrrd": (b"sizes: 40 48", b"sizes: 40 40"),
        "nii": (struct.pack("<hh", 40, 48), struct.pack("<hh", 40, 40)),
    }[form]
    (tmp_path / "a").write_bytes(content.replace(*fewer, 1))
    with pytest.raises(RadiographError, match="640 bytes follow the pixels that its header claims"):  # 8 x 40 x 2
        read_radiograph(tmp_path / "a")


def test_a_jpeg_that_libjpeg_warns_of_is_refused(tmp_path):
    good = picture(BYTES, "JPEG", quality=95)
    frame = good.index(b"\xff\xc0") + 5
    for content in (
        good[:frame] + struct.pack(">HH", 14000, 14000) + good[frame + 4 :],  # absurd, of 1.5 kilobytes
        good[: len(good) // 2] + b"\xff\xd9",  # ends early, with an end marker
        good[: len(good) // 2] + b"\xff\xd0" + good[len(good) // 2 :],  # a restart that nothing announced
    ):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(RadiographError, match="libjpeg cannot decode it without a warning"):
            read_radiograph(tmp_path / "a.jpg")


def test_jpeg_is_decoded_as_opencv_does(tmp_path):
    colour = cv2.merge([BYTES, 255 - BYTES, BYTES // 2])
    for pixels in (BYTES, colour):
        content = picture(pixels, "JPEG", quality=90)
        (tmp_path / "a.jpg").write_bytes(content)
        oracle = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        expected = cv2.cvtColor(oracle, cv2.COLOR_BGR2GRAY)
        np.testing.assert_allclose(read_radiograph(tmp_path / "a.jpg")[0], expected / 255, atol=1.01 / 255)


HEADS = {
    "GIF": picture(BYTES, "GIF"),
    "WebP": picture(BYTES, "WEBP"),
    "PNM": picture(BYTES, "PPM"),
    "HDF5 or MINC": b"\x89HDF\r\n\x1a\n",
    "NIfTI in two files": struct.pack("<i", 348) + bytes(340) + b"ni1\0",
    "Analyze": struct.pack("<i", 348) + bytes(344),
}


@pytest.mark.parametrize("name", HEADS)
def test_other_formats_are_refused_by_name(tmp_path, name):
    (tmp_path / "a.img").write_bytes(HEADS[name])
    for read in (read_radiograph, radiograph_size):
        with pytest.raises(RadiographError, match=rf"a\.img: is of the format {name}, .* convert it"):
            read(tmp_path / "a.img")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (META.format(more="BinaryData = False\n", file="LOCAL"), "keeps its pixels as text"),
        (META.format(more="", file="LIST"), "in several files"),
        (META.format(more="", file="a%03d.raw 1 2 1"), "in several files"),
        (META.format(more="CompressedData = Vrue\n", file="LOCAL"), "CompressedData 'vrue'"),
        (META.replace("MET_USHORT", "MET_STRING").format(more="", file="LOCAL"), "ElementType 'MET_STRING'"),
        (META.replace("DimSize = 40 48\n", "").format(more="", file="LOCAL"), "its header lacks 'DimSize'"),
        (META.replace("40 48", "40 4o").format(more="", file="LOCAL"), "its header cannot be read"),
        (NRRD.format(encoding="ascii", more=""), "encoding 'ascii'"),
        (NRRD.format(encoding="raw", more="").replace("endian: little\n", ""), "its header lacks 'endian'"),
        (NRRD.format(encoding="raw", more="").replace("ushort", "block"), "type 'block'"),
    ],
)
def test_volume_headers_that_are_not_read_say_why(tmp_path, content, message):
    (tmp_path / "a.mha").write_bytes(content.encode() + SMOOTH.tobytes())
    with pytest.raises(RadiographError, match=message):
        read_radiograph(tmp_path / "a.mha")


@pytest.mark.parametrize("order", ["<", ">"])
def test_volume_headers_written_by_hand(tmp_path, order):
    """Every way to keep pixels that is read, in both byte orders."""
    raw = SMOOTH.astype(f"{order}u2").tobytes()
    meta = f"BinaryDataByteOrderMSB = {order == '>'}\n"
    nrrd = NRRD.replace("little", "big" if order == ">" else "little")
    (tmp_path / "pixels.raw").write_bytes(raw)
    (tmp_path / "behind.raw").write_bytes(b"header of something else" + raw)
    (tmp_path / "pixels.gz").write_bytes(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:]))
    for header, data in (
        (META.format(more=meta, file="LOCAL"), raw),
        (META.format(more=meta, file="pixels.raw"), b""),
        (META.format(more=meta + "HeaderSize = 24\n", file="behind.raw"), b""),
        (META.format(more=meta + "HeaderSize = -1\n", file="behind.raw"), b""),
        (META.format(more=meta + "CompressedData = True\n", file="LOCAL"), zlib.compress(raw)),
        (nrrd.format(encoding="raw", more=""), raw),
        (nrrd.format(encoding="raw", more="data file: pixels.raw\n"), b""),
        (nrrd.format(encoding="raw", more="byte skip: -1\ndata file: behind.raw\n"), b""),
        (nrrd.format(encoding="gzip", more="data file: pixels.gz\n"), b""),
        (nrrd.format(encoding="bz2", more="# a comment\nkey:=value\n"), bz2.compress(raw)),
    ):
        (tmp_path / "a").write_bytes(header.encode() + data)
        image, _ = read_radiograph(tmp_path / "a")
        assert radiograph_size(tmp_path / "a") == (48, 40)
        np.testing.assert_allclose(image * 65535, SMOOTH, atol=0.01)


HEADERS = {"mhd": META.format(more="", file="{file}"), "nhdr": NRRD.format(encoding="raw", more="data file: {file}\n")}


@pytest.mark.parametrize("suffix", HEADERS)
@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside.raw", "sub/pixels.raw", "link.raw", "gone.raw", "pipe", ".."]
)
def test_a_header_names_no_file_but_a_regular_one_beside_it(tmp_path, suffix, name):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "outside.raw", folder / "sub" / "pixels.raw"):
        path.write_bytes(SMOOTH.tobytes())
    (folder / "link.raw").symlink_to(tmp_path / "outside.raw")
    os.mkfifo(folder / "pipe")
    (folder / f"a.{suffix}").write_text(HEADERS[suffix].format(file=name))
    with pytest.raises(RadiographError, match=rf"a\.{suffix}: names '{name}' as the file of its pixels"):
        read_radiograph(folder / f"a.{suffix}")


@pytest.mark.parametrize("suffix", HEADERS)
def test_a_nul_in_a_name_is_refused(tmp_path, suffix):
    (tmp_path / f"a.{suffix}").write_text(HEADERS[suffix].format(file="a\0b"))
    with pytest.raises(RadiographError, match=r"names 'a\\x00b' as the file of its pixels"):
        read_radiograph(tmp_path / f"a.{suffix}")
    for read in (read_radiograph, radiograph_size):
        with pytest.raises(RadiographError, match="holds a NUL character"):
            read(f"{tmp_path}/a\0b.{suffix}")


def test_a_header_of_endless_small_pieces_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("transforms.files.MOST_READS", 1000)
    element = b"\x11\0\x01\x10LO\0\0"
    start = b"\x08\0\x16\0UI\0\0"
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + start + element * 1010)
    with pytest.raises(RadiographError, match="has a header without an end"):
        radiograph_size(tmp_path / "a.dcm")


def test_pipes_devices_and_huge_files_are_never_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)  # takes no room on the disk
    for path, message in (
        (tmp_path / "pipe.png", "no regular file but a pipe"),
        (Path("/dev/zero"), "no regular file but a pipe, a device"),
        (tmp_path / "huge.png", "more than the 2147483648 of any one radiograph"),
    ):
        for read in (read_radiograph, radiograph_size):
            with pytest.raises(RadiographError, match=message):
                read(path)


def test_a_header_without_an_end_is_given_up(tmp_path):
    # A PNG of more empty chunks than the largest has full ones, and a JPEG of nothing but fill bytes.
    chunk = b"\0\0\0\0tEXt" + struct.pack(">I", zlib.crc32(b"tEXt"))
    head = b"\x89PNG\r\n\x1a\n"
    (tmp_path / "a.png").write_bytes(head + chunk * 300_000)
    (tmp_path / "a.jpg").write_bytes(b"\xff" * 10_000_000)
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8" + b"\xff" * 10_000_000)
    for name in ("a.png", "a.jpg", "b.jpg"):
        with pytest.raises(RadiographError, match=r"damaged|truncated"):
            radiograph_size(tmp_path / name)


def test_a_packed_file_may_be_no_larger_than_its_header_says(tmp_path):
    header = bytearray(volume(tmp_path, "nii")[:352])
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(bytes(header) + bytes(50_000_000)))
    with pytest.raises(RadiographError, match="decompresses to more than"):
        read_radiograph(tmp_path / "a.nii.gz")
    (tmp_path / "a.mha").write_bytes(
        META.format(more="CompressedData = True\n", file="LOCAL").encode() + zlib.compress(bytes(50_000_000))
    )
    with pytest.raises(RadiographError, match="decompresses to more than the 3840 bytes"):  # 48 x 40 x 2
        read_radiograph(tmp_path / "a.mha")
