"""Compressed pixels in odd wrappings, padded ones, and bits beyond the stored ones, against values made by hand."""

import itertools
import struct

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.transforms.made_dicom import content, dataset
from transforms.dicom import read_dicom
from transforms.errors import RadiographError

RAMP = (np.arange(48 * 40) * 4095 // (48 * 40 - 1)).astype(np.uint16).reshape(48, 40)
"""12 bits, all of their range."""
FLAT = (RAMP >> 4).astype(np.uint8)
LOSSLESS = (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless)
TWELVE = {"BitsStored": 12, "HighBit": 11}


def lossless_jpeg(pixels, precision=16):
    """A lossless JPEG (ITU-T T.81 annex H): each pixel less the one to its left, or above it in the first column."""
    values = pixels.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = values[:, :-1], values[:-1, 0], 1 << (precision - 1)
    bits = []
    for difference in ((values - predicted + 2**15) % 2**16 - 2**15).ravel().tolist():
        # All 17 categories have codes of five bits, their own numbers.
        category = abs(difference).bit_length()
        bits.append(f"{category:05b}")
        if 0 < category < 16:
            bits.append(f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    scan = bytes(int(text[place : place + 8], 2) for place in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")
    frame = struct.pack(">HBHHB3B", 11, precision, *pixels.shape, 1, 1, 0x11, 0)
    table = struct.pack(">HB16B17B", 36, 0, 0, 0, 0, 0, 17, *[0] * 11, *range(17))
    start = struct.pack(">HB2B3B", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + table + b"\xff\xda" + start + scan + b"\xff\xd9"


def in_whole_words(words, syntax, changes):
    """A file whose words were compressed with all of their bits, as writers do that keep overlays in them."""
    if syntax in LOSSLESS:
        made = dataset(words)
        made.compress(syntax, generate_instance_uid=False)
    elif syntax == uid.JPEGLosslessSV1:
        made = dataset(words, {"PixelData": encapsulate([lossless_jpeg(words)])}, syntax)
    else:
        made = dataset(words, None, syntax)
        made.PixelData = words.astype(
            words.dtype.newbyteorder(">" if syntax == uid.ExplicitVRBigEndian else "<")
        ).tobytes()
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made


SIGNED = (RAMP.astype(np.int16) - 2048).astype(np.int16)
RUBBISH = np.random.default_rng(1).integers(0, 16, RAMP.shape).astype(np.uint16)
# Each holds RAMP in some twelve bits, and rubbish in the other four: all show RAMP / 4095.
WORDS = {
    "overlay above": (RAMP | (RUBBISH << 12), TWELVE),
    "one overlay bit": (RAMP | np.uint16(0x8000), TWELVE),
    "at the top of the word": ((RAMP << 4) | RUBBISH, {"BitsStored": 12, "HighBit": 15}),
    "in the middle of the word": (
        (RAMP << 2) | (RUBBISH & 3) | ((RUBBISH >> 2) << 14),
        {"BitsStored": 12, "HighBit": 13},
    ),
    "signed": ((SIGNED.view(np.uint16) & 0xFFF) | (RUBBISH << 12), TWELVE | {"PixelRepresentation": 1}),
    "signed, extended": (SIGNED.view(np.uint16), TWELVE | {"PixelRepresentation": 1}),
    "signed, at the top": (
        (SIGNED.view(np.uint16) << 4) | RUBBISH,
        {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": 1},
    ),
}
NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS, uid.JPEGLosslessSV1], ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("name", WORDS)
def test_bits_beyond_the_stored_ones_are_no_pixels(name, syntax):
    if not pydicom.pixels.get_decoder(syntax).is_available:
        pytest.skip("no decoder of lossless JPEG is installed (pip install 'frugal-cxr[jpeg-lossless]')")
    words, changes = WORDS[name]
    image = read_dicom(content(in_whole_words(words, syntax, changes)))[0]
    np.testing.assert_allclose(image, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("high", [19, 31, 25])
def test_bits_beyond_the_stored_ones_in_words_of_32_bits(syntax, high):
    values = RAMP.astype(np.uint32) * 256
    words = (values << (high - 19)) | (np.uint32(1) << 31 if high < 31 else np.uint32(5))
    made = in_whole_words(words, syntax, {"BitsStored": 20, "HighBit": high})
    np.testing.assert_allclose(read_dicom(content(made))[0], RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda syntax: syntax.keyword)
def test_bits_beyond_the_stored_ones_in_bytes(syntax):
    words = (FLAT >> 2) | np.uint8(0x80)
    made = in_whole_words(words, syntax, {"BitsStored": 6, "HighBit": 5})
    if syntax == uid.ExplicitVRBigEndian:
        # As words, their bytes are swapped pair by pair (PS3.5 annex A.3).
        made.PixelData = words.view(np.uint16).byteswap().tobytes()
    np.testing.assert_allclose(read_dicom(content(made))[0], (FLAT >> 2) / 63, atol=1e-6)


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.JPEG2000Lossless], ids=lambda syntax: syntax.keyword)
def test_a_codec_of_no_more_than_the_stored_bits_had_them_shifted_down(syntax):
    # Compressed as 12 bits; the tags still say that they stood at the top of the word.
    made = dataset(RAMP, TWELVE)
    made.compress(syntax, generate_instance_uid=False)
    made.HighBit = 15
    np.testing.assert_allclose(read_dicom(content(made))[0], RAMP / 4095, atol=1e-6)


def test_loss_does_not_turn_white_to_black():
    """A lossy codec of 16 bits goes beyond 4095 beside an edge; with its upper bits cut off, that would be black."""
    edges = np.zeros((64, 64), np.uint16)
    edges[16:48, 16:48] = 4095
    made = dataset(edges)
    made.compress(uid.JPEG2000, j2k_cr=[20], generate_instance_uid=False)
    assert made.pixel_array.max() > 4095
    for keyword, value in TWELVE.items():
        setattr(made, keyword, value)
    image = read_dicom(content(made))[0]
    assert image[24:40, 24:40].min() > 0.8
    assert image[:4].max() < 0.2


def jpeg(pixels=FLAT):
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def item(data):
    data += bytes(len(data) % 2)
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data


def items(*parts):
    return b"".join(map(item, parts)) + b"\xfe\xff\xdd\xe0\0\0\0\0"


def of_jpeg(pixel_data, syntax=uid.JPEGBaseline8Bit):
    made = dataset(FLAT, None, syntax)
    made.PixelData = pixel_data
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = pixel_data[:4] == b"\xfe\xff\x00\xe0"
    return content(made)


THUMBNAIL = b"\xff\xd8\xff\xe1\x00\x08\xff\xd9\xff\xd9\0\0"
"""A start of image, and a segment that holds end markers, as that of a thumbnail does."""
HALF = len(jpeg()) // 4 * 2
WRAPPED = {
    "as written": items(b"", jpeg()),
    "zeros behind the end marker": items(b"", jpeg() + bytes(100)),
    "a hundred thousand zeros behind the end marker": items(b"", jpeg() + bytes(100_000)),
    "other bytes behind the end marker": items(b"", jpeg() + b"\xff\x00trailer" * 9),
    "a thumbnail's end marker before": items(b"", THUMBNAIL + jpeg()[2:]),
    "two fragments": items(b"", jpeg()[:HALF], jpeg()[HALF:]),
    "two fragments with an offset each": items(struct.pack("<II", 0, HALF + 8), jpeg()[:HALF], jpeg()[HALF:]),
    "fragments of 64 bytes with an offset each": items(
        struct.pack("<12I", *range(0, 864, 72)), *(jpeg()[place : place + 64] for place in range(0, len(jpeg()), 64))
    ),
    "an offset that points elsewhere": items(struct.pack("<I", 77), jpeg()),
    "an offset beyond the end": items(struct.pack("<I", 2**31), jpeg()),
    "an offset table of five bytes": items(b"\0\0\0\0\1", jpeg()),
    "no offset table": items(jpeg()),
    "no end of the sequence": item(b"") + item(jpeg()),
}


@pytest.mark.parametrize("name", WRAPPED)
@pytest.mark.parametrize(
    "syntax",
    [uid.JPEGBaseline8Bit, uid.ExplicitVRLittleEndian, uid.JPEG2000Lossless, uid.RLELossless, uid.JPEGLosslessSV1],
)
def test_one_frame_is_read_however_it_is_wrapped_and_called(name, syntax):
    np.testing.assert_array_equal(
        read_dicom(of_jpeg(WRAPPED[name], syntax))[0], read_dicom(of_jpeg(WRAPPED["as written"]))[0]
    )


def test_bytes_that_begin_a_jpeg_2000_stream_are_nothing_special_within_rle():
    # High bytes of neighbouring pixels: RLE stores them next to each other, here FF 4F FF 51.
    pixels = np.tile(np.array([0xFF00, 0x4F01, 0xFF02, 0x5103], np.uint16), (4, 8))
    made = dataset(pixels)
    made.compress(uid.RLELossless, generate_instance_uid=False)
    assert b"\xff\x4f\xff\x51" in made.PixelData
    np.testing.assert_array_equal(read_dicom(content(made))[0], read_dicom(content(dataset(pixels)))[0])


def test_a_bare_stream_is_read():
    np.testing.assert_array_equal(
        read_dicom(of_jpeg(jpeg(), uid.ExplicitVRLittleEndian))[0], read_dicom(of_jpeg(items(b"", jpeg())))[0]
    )


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("stated", [None, uid.ExplicitVRLittleEndian, uid.JPEGBaseline8Bit])
def test_compressed_pixels_are_read_whatever_the_syntax_says(syntax, stated):
    made = dataset(RAMP, TWELVE)
    made.compress(syntax, generate_instance_uid=False)
    raw = content(made)
    old = syntax.encode() + bytes(len(syntax) % 2)
    new = b"" if stated is None else stated.encode() + bytes(len(stated) % 2)
    raw = raw.replace(b"UI" + struct.pack("<H", len(old)) + old, b"UI" + struct.pack("<H", len(new)) + new, 1)
    np.testing.assert_allclose(read_dicom(raw)[0], RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize(("count", "value"), [(512, 0), (2, 0), (4000, 0xFF), (20_000, 0)])
def test_padding_behind_native_pixels_is_left_out(syntax, count, value):
    made = in_whole_words(RAMP, syntax, TWELVE)
    made.PixelData += bytes([value]) * count
    np.testing.assert_allclose(read_dicom(content(made))[0], RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("stated", [uid.JPEGBaseline8Bit, uid.JPEG2000Lossless])
def test_native_pixels_are_read_though_the_syntax_says_compressed(stated):
    made = dataset(RAMP, TWELVE)
    raw = content(made).replace(
        b"\x10\x00UI\x14\x001.2.840.10008.1.2.1\0", b"\x10\x00UI" + struct.pack("<H", len(stated)) + stated.encode()
    )
    np.testing.assert_allclose(read_dicom(raw)[0], RAMP / 4095, atol=1e-6)


def test_rows_that_are_wrong_are_not_taken_for_padding():
    made = dataset(RAMP, TWELVE)
    made.Rows = 40
    with pytest.raises(RadiographError, match="only 3200, and no mere padding behind: its size, bits or number"):
        read_dicom(content(made))


CUT = {
    "half of it": items(b"", jpeg()[: len(jpeg()) // 2]),
    "no end marker": items(b"", jpeg()[:-2]),
    "zeros for its end": items(b"", jpeg()[:-2] + bytes(100)),
    "the end marker of a thumbnail alone": items(b"", THUMBNAIL + jpeg()[2:-2]),
    "no second fragment": items(struct.pack("<II", 0, HALF + 8), jpeg()[:HALF]),
    "nothing but an offset table": items(struct.pack("<I", 0)),
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.ExplicitVRLittleEndian])
def test_what_is_truly_cut_is_refused(name, syntax):
    with pytest.raises(RadiographError, match=r"^is (truncated|damaged)"):
        read_dicom(of_jpeg(CUT[name], syntax))


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_several_frames_are_not_one(syntax):
    made = dataset(RAMP, TWELVE)
    made.compress(syntax, generate_instance_uid=False)
    (stream,) = itertools.islice(pydicom.encaps.generate_frames(made.PixelData, number_of_frames=1), 1)
    made.PixelData = encapsulate([stream, stream])
    with pytest.raises(RadiographError, match="holds 2 compressed images, not one"):
        read_dicom(content(made))
