"""DICOM radiographs against values worked out by hand and against DCMTK and SimpleITK."""

import shutil
import subprocess
import tracemalloc
from io import BytesIO

import cv2
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate

from tests.transforms.made_dicom import content, dataset, lut
from transforms.dicom import dicom_spacing, read_dicom
from transforms.errors import RadiographError
from transforms.read import read_radiograph

PERSONAL = {
    "PatientName": "Doe^Jane",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19700101",
    "StudyDate": "20200202",
    "InstitutionName": "General Hospital",
    "DeviceSerialNumber": "SN-0815",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.99",
}


def grey(pixels, changes=None):
    return read_dicom(content(dataset(pixels, changes)))[0]


U16 = np.array([[0, 1000, 2000], [3000, 4000, 4095]], dtype=np.uint16)
TWELVE = {"BitsStored": 12}
S16 = np.array([[-100, 0], [50, 100]], dtype=np.int16)
# Overlay bits lie above the 12 stored ones, as in old files with embedded overlays.
OVERLAID = U16 | np.uint16(0xA000)
# 12 bits at the top of the word: high bit 15.
SHIFTED = (U16 << 4) | np.uint16(0x7)

# Each expected value follows by hand from the formula that its name says, at the values listed above.
CASES = {
    "no window: own range": (U16, TWELVE, U16 / 4095),
    "no window: own range, not the type's": (np.array([[100, 150, 300]], np.uint16), {}, [[0, 0.25, 1]]),
    "MONOCHROME1 without a window": (U16, TWELVE | {"PhotometricInterpretation": "MONOCHROME1"}, 1 - U16 / 4095),
    "overlay bits off": (OVERLAID, TWELVE, U16 / 4095),
    "high bit 15 of 12 bits": (SHIFTED, TWELVE | {"HighBit": 15}, U16 / 4095),
    "signed": (S16, {}, [[0, 0.5], [0.75, 1]]),
    # In 12 bits, -100 is 0xF9C; the four bits above are rubbish.
    "signed, 12 bits, rubbish above": (
        np.array([[0x3F9C, 0x1000], [0x2032, 0x0064]], np.uint16),
        {"BitsStored": 12, "PixelRepresentation": 1},
        [[0, 0.5], [0.75, 1]],
    ),
    "8 bit": (np.array([[0, 51, 255]], np.uint8), {}, [[0, 0.2, 1]]),
    # LINEAR (PS3.3 C.11.2.1.2.1), c = 2000, w = 2001: (x - 1999.5) / 2000 + 0.5, so black to 999.5, white from 2999.5.
    "LINEAR": (
        U16,
        TWELVE | {"WindowCenter": 2000, "WindowWidth": 2001},
        [[0, 0.00025, 0.50025], [1, 1, 1]],
    ),
    # The standard's note: c = 2048, w = 4096 is the identity on 0..4095: x / 4095.
    "LINEAR, identity": (U16, TWELVE | {"WindowCenter": 2048, "WindowWidth": 4096}, U16 / 4095),
    # The standard's note: w = 1 is a threshold at c - 0.5.
    "LINEAR of width 1": (U16, TWELVE | {"WindowCenter": 2000, "WindowWidth": 1}, [[0, 0, 1], [1, 1, 1]]),
    "LINEAR_EXACT": (
        U16,
        TWELVE | {"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"},
        [[0, 0.25, 0.5], [0.75, 1, 1]],
    ),
    # 1 / (1 + exp(-4 (x - c) / w)) at -2, -1, 0, 1, 2, 2.095
    "SIGMOID": (
        U16,
        TWELVE | {"WindowCenter": 2000, "WindowWidth": 4000, "VOILUTFunction": "SIGMOID"},
        [[0.1192029, 0.2689414, 0.5], [0.7310586, 0.8807971, 0.8904163]],
    ),
    "several windows: the first": (
        U16,
        TWELVE | {"WindowCenter": [2048, 1, 2], "WindowWidth": [4096, 1, 1]},
        U16 / 4095,
    ),
    "first window unusable: the next": (
        U16,
        TWELVE | {"WindowCenter": [5, 2048], "WindowWidth": [0, 4096]},
        U16 / 4095,
    ),
    # Inversion is over the window's output, not over the image's own range: 1 - x / 4095 at 1000 and 2000.
    "MONOCHROME1 in a window that the image does not fill": (
        np.array([[1000, 2000]], np.uint16),
        TWELVE | {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 2048, "WindowWidth": 4096},
        [[1 - 1000 / 4095, 1 - 2000 / 4095]],
    ),
    "INVERSE alone": (U16, TWELVE | {"PresentationLUTShape": "INVERSE"}, 1 - U16 / 4095),
    # DX writes both (PS3.3 C.8.11.3.1.2), and means one inversion.
    "MONOCHROME1 with INVERSE": (
        U16,
        TWELVE | {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        1 - U16 / 4095,
    ),
    "MONOCHROME2 with IDENTITY": (U16, TWELVE | {"PresentationLUTShape": "IDENTITY"}, U16 / 4095),
    # The window is in rescaled units, -1000 to 7190: (x - (3095.5 - 0.5)) / 8190 + 0.5 spans them.
    "rescale, then window": (
        U16,
        TWELVE | {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3095.5, "WindowWidth": 8191},
        U16 / 4095,
    ),
    "negative slope": (U16, TWELVE | {"RescaleSlope": -1, "RescaleIntercept": 4095}, 1 - U16 / 4095),
    # Entry i is for the value 10 + i; below takes the first entry, above the last.
    "modality LUT": (
        np.array([[0, 10, 11, 12, 99]], np.uint8),
        {"ModalityLUTSequence": lut([3, 10, 16], [0, 100, 400])},
        [[0, 0, 0.25, 1, 1]],
    ),
    "modality LUT, then window": (
        np.array([[10, 11, 12]], np.uint8),
        {
            "ModalityLUTSequence": lut([3, 10, 16], [0, 100, 400]),
            "WindowCenter": 250,
            "WindowWidth": 500,
            "VOILUTFunction": "LINEAR_EXACT",
        },
        [[0, 0.2, 0.8]],
    ),
    # Output range is that of the depth, 0..1023, not that of the entries.
    "VOI LUT of 10 bits": (
        np.array([[5, 6, 7]], np.uint8),
        {"VOILUTSequence": lut([3, 5, 10], [0, 341, 682])},
        [[0, 1 / 3, 2 / 3]],
    ),
    "VOI LUT as words": (
        np.array([[5, 6, 7]], np.uint8),
        {"VOILUTSequence": lut([3, 5, 10], np.array([0, 341, 682], "<u2").tobytes())},
        [[0, 1 / 3, 2 / 3]],
    ),
    "VOI LUT as bytes": (
        np.array([[5, 6, 7, 8]], np.uint8),
        {"VOILUTSequence": lut([4, 5, 8], bytes([0, 51, 102, 255]))},
        [[0, 0.2, 0.4, 1]],
    ),
    "VOI LUT before window": (
        np.array([[5, 6, 7]], np.uint8),
        {"VOILUTSequence": lut([3, 5, 10], [0, 341, 682]), "WindowCenter": 1, "WindowWidth": 1},
        [[0, 1 / 3, 2 / 3]],
    ),
    "VOI LUT whose first value is negative": (
        S16,
        {"VOILUTSequence": lut([201, -100, 16], [int(v) for v in np.linspace(0, 65535, 201).round()])},
        [[0, 32768 / 65535], [49151 / 65535, 1]],
    ),
    "VOI LUT, MONOCHROME1": (
        np.array([[5, 6, 7]], np.uint8),
        {"VOILUTSequence": lut([3, 5, 10], [0, 341, 682]), "PhotometricInterpretation": "MONOCHROME1"},
        [[1, 2 / 3, 1 / 3]],
    ),
    "LUT that states too few bits": (
        np.array([[0, 1]], np.uint8),
        {"VOILUTSequence": lut([2, 0, 8], [0, 4095])},
        [[0, 1]],
    ),
    # Padding 0 neither counts for the range (100..300) nor stays white in MONOCHROME1.
    "padding": (
        np.array([[0, 100, 200, 300]], np.uint16),
        {"PixelPaddingValue": 0, "PhotometricInterpretation": "MONOCHROME1"},
        [[0, 1, 0.5, 0]],
    ),
    "padding range": (
        np.array([[0, 5, 9, 10, 20]], np.uint16),
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 9},
        [[0, 0, 0, 0, 1]],
    ),
    "padding range, downwards": (
        np.array([[4095, 4000, 3999, 0]], np.uint16),
        {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000},
        [[0, 0, 1, 0]],
    ),
    "signed padding": (
        np.array([[-2000, -100, 0, 100]], np.int16),
        {"PixelPaddingValue": -2000},
        [[0, 0, 0.5, 1]],
    ),
    "padding in a window": (
        U16,
        TWELVE | {"PixelPaddingValue": 4095, "WindowCenter": 2048, "WindowWidth": 4096},
        np.where(U16 == 4095, 0, U16 / 4095),
    ),
    "32 bit": (np.array([[0, 70000, 140000]], np.uint32), {}, [[0, 0.5, 1]]),
    "secondary capture": (U16, TWELVE | {"Modality": "OT"}, U16 / 4095),
    "no modality": (U16, TWELVE | {"Modality": None}, U16 / 4095),
}


@pytest.mark.parametrize("name", CASES)
def test_grey_levels_are_those_worked_out_by_hand(name):
    pixels, changes, expected = CASES[name]
    image = grey(pixels, changes)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"PixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.15, 0.14]}, (0.15, 0.14)),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.15, 0.15]}, (0.2, 0.2)),
        # At the patient, who is nearer to the tube, a pixel is smaller by the magnification.
        ({"ImagerPixelSpacing": [0.15, 0.3], "EstimatedRadiographicMagnificationFactor": 1.5}, (0.1, 0.2)),
        ({"ImagerPixelSpacing": [0.15, 0.3], "EstimatedRadiographicMagnificationFactor": 0}, (0.15, 0.3)),
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17)),
    ],
)
def test_spacing(changes, expected):
    written = content(dataset(U16, changes))
    spacing = read_dicom(written)[1]["spacing"]
    assert spacing == (None if expected is None else pytest.approx(expected))
    assert dicom_spacing(BytesIO(written)) == spacing


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize(("written", "view"), [("PA", "PA"), ("ap", "AP"), ("LL", "LATERAL"), (None, "")])
def test_view(written, view):
    assert read_dicom(content(dataset(U16, {"ViewPosition": written})))[1]["view"] == view


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_meta_identifies_nobody(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(content(dataset(U16, PERSONAL | TWELVE | {"ViewPosition": "Doe, Jane (1970)"})))
    meta = read_radiograph(path)[1]
    assert meta == {
        "filename_or_obj": str(path),
        "original_size": (2, 3),
        "spacing": None,
        "modality": "DX",
        "view": "",
        "photometric": "MONOCHROME2",
        "bits": 12,
        "voi": "RANGE",
        # The occurring values, U16, are from 0 to 4095.
        "window": (2048, 4096, "LINEAR"),
    }


REJECTED = {
    "ultrasound in colour": (
        {"Modality": "US", "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
        r"modality US.*allowed are CR, DX, RG, OT.*colour image \(RGB, 3 samples",
    ),
    "CT": ({"Modality": "CT"}, "modality CT, which is no chest radiograph"),
    "two modalities": ({"Modality": ["CR", "CT"]}, "modality that is no code"),
    "palette": ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour image"),
    "several frames": ({"NumberOfFrames": 7}, "holds 7 frames, not one image"),
    "no photometric interpretation": ({"PhotometricInterpretation": None}, "lacks PhotometricInterpretation"),
    "no pixel data": ({"PixelData": None, "Modality": "SR"}, "modality SR.*holds no PixelData"),
    "no rows": ({"Rows": None}, "lacks Rows"),
    "no columns": ({"Columns": None}, "lacks Columns"),
    "no sign": ({"PixelRepresentation": None}, "lacks PixelRepresentation"),
    "absurd size": ({"Rows": 65535, "Columns": 65535}, "65535 rows by 65535 columns, more than the 200 megapixels"),
    "no size": ({"Rows": 0}, "0 rows by 3 columns"),
    "too large for its pixels": ({"Rows": 20}, "is truncated: 12 bytes of pixel data where 20 rows .* need 120"),
    "too small for its pixels": ({"Rows": 1}, "12 bytes of pixel data .* need only 6"),
    "bits outside": ({"BitsStored": 17, "HighBit": 16}, "17 bits stored of 16 allocated"),
    "one bit": ({"BitsAllocated": 1, "BitsStored": 1}, "1 allocated"),
    "slope 0": ({"RescaleSlope": 0, "RescaleIntercept": 1}, "RescaleSlope 0 .*slope not 0"),
    "unknown function": (
        {"WindowCenter": 1, "WindowWidth": 2, "VOILUTFunction": "LOG"},
        "'LOG'; allowed are LINEAR, LINEAR_EXACT and SIGMOID",
    ),
    "short LUT": ({"VOILUTSequence": lut([5, 0, 16], [1, 2])}, "2 entries where its descriptor says 5"),
    "nothing but padding": (
        {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 65535},
        "every pixel equals its PixelPaddingValue",
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_cannot_be_read_says_why(name):
    changes, message = REJECTED[name]
    made = dataset(U16, {k: v for k, v in changes.items() if k != "PixelData"})
    if "PixelData" in changes:
        del made.PixelData
    with pytest.raises(RadiographError, match=message):
        read_dicom(content(made))


@pytest.mark.parametrize("slope", [b"NaN ", b"inf "])
def test_rescale_slope_must_be_finite(slope):
    # pydicom refuses to write such values: patch one into the file, where "RescaleSlope" is (0028,1053) DS of 4 bytes.
    raw = content(dataset(U16, {"RescaleSlope": "1234"}))
    with pytest.raises(RadiographError, match="RescaleSlope"):
        read_dicom(raw.replace(b"DS\x04\x001234", b"DS\x04\x00" + slope))


@pytest.mark.parametrize("width", [0, -5])
def test_unusable_window_shows_the_own_range_and_warns(tmp_path, caplog, width):
    path = tmp_path / "a.dcm"
    path.write_bytes(content(dataset(U16, {"WindowCenter": 5, "WindowWidth": width})))
    image, meta = read_radiograph(path)
    np.testing.assert_allclose(image, U16 / 4095, atol=1e-6)
    assert meta["voi"] == "RANGE, WINDOW UNUSABLE"
    assert str(path) in caplog.text
    assert "no usable width" in caplog.text


def test_window_beside_all_values_warns(tmp_path, caplog):
    path = tmp_path / "a.dcm"
    path.write_bytes(content(dataset(U16, {"WindowCenter": -5000, "WindowWidth": 10})))
    assert (read_radiograph(path)[0] == 1).all()
    assert "nothing but one grey level" in caplog.text


SYNTAXES = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
]


def compressed(pixels, changes, syntax):
    if syntax in (uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless):
        made = dataset(pixels, changes)
        made.compress(syntax, generate_instance_uid=False)
        return made
    return dataset(pixels, changes, syntax)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_transfer_syntaxes_agree(syntax, dtype):
    pixels = np.random.default_rng(3).integers(0, 256, (33, 47)).astype(dtype)
    pixels[0, :2] = 0, 255
    if dtype == np.int16:
        pixels -= 128
    expected = (pixels.astype(np.float64) - pixels.min()) / 255
    np.testing.assert_allclose(read_dicom(content(compressed(pixels, None, syntax)))[0], expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_big_endian_agrees(dtype):
    steps = np.arange(120).reshape(12, 10)
    pixels = (steps * (1 if dtype == np.uint8 else 7) - (60 if dtype == np.int16 else 0)).astype(dtype)
    made = dataset(pixels, syntax=uid.ExplicitVRBigEndian)
    # Words are swapped; bytes are too, pair by pair, as they count as words (PS3.5 annex A.3).
    made.PixelData = np.frombuffer(pixels.tobytes(), np.uint16).byteswap().tobytes()
    np.testing.assert_allclose(read_dicom(content(made))[0], steps / 119, atol=1e-6)


def test_jpeg_baseline_agrees_with_its_decoder():
    pixels = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (64, 48)).astype(np.uint8), (0, 0), 3)
    stream = cv2.imencode(".jpg", pixels)[1].tobytes()
    made = dataset(pixels, {"PixelData": encapsulate([stream])}, uid.JPEGBaseline8Bit)
    decoded = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
    expected = (decoded - decoded.min()) / (decoded.max() - decoded.min())
    # Two decoders may round a level differently (ITU-T T.83): two levels of the contrast that is there.
    np.testing.assert_allclose(read_dicom(content(made))[0], expected, atol=2 / (decoded.max() - decoded.min()))


def test_lossless_jpeg_names_the_extra(frugal_data):
    # As published, it is a nuclear medicine image: both reasons are given at once.
    path = frugal_data / "dicom" / "JPEG-LL.dcm"
    with pytest.raises(RadiographError, match=r"JPEG-LL\.dcm: .*modality NM") as caught:
        read_radiograph(path)
    if not pydicom.pixels.get_decoder(uid.JPEGLosslessSV1).is_available:
        assert "pip install 'frugal-cxr[jpeg-lossless]'" in str(caught.value)


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1])
def test_lossless_jpeg_without_its_decoder(syntax):
    if pydicom.pixels.get_decoder(syntax).is_available:
        pytest.skip("a decoder of lossless JPEG is installed")
    made = dataset(U16, {"PixelData": encapsulate([b"\xff\xd8\xff\xd9"])}, syntax)
    with pytest.raises(RadiographError, match=r"pip install 'frugal-cxr\[jpeg-lossless\]'"):
        read_dicom(content(made))


def test_unknown_transfer_syntax():
    made = dataset(U16)
    raw = content(made).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.1\0")
    with pytest.raises(RadiographError, match=r"transfer syntax 1\.2\.840\.10008\.1\.9\.1, which nothing here decodes"):
        read_dicom(raw)


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_compressed_image_of_another_size(syntax):
    made = compressed(np.arange(3600, dtype=np.uint16).reshape(60, 60), None, syntax)
    made.Rows = 61
    with pytest.raises(RadiographError, match=r"compressed image of \(60, 60\) .* tags say \(61, 60\)"):
        read_dicom(content(made))


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_truncated(syntax, share):
    pixels = np.random.default_rng(3).integers(0, 4096, (128, 128)).astype(np.uint16)
    raw = content(compressed(pixels, TWELVE, syntax))
    with pytest.raises(RadiographError, match="truncated"):
        read_dicom(raw[: int(len(raw) * share)])


def test_file_without_preamble_and_meta():
    made = dataset(U16, TWELVE)
    stream = BytesIO()
    pydicom.dcmwrite(stream, made, implicit_vr=True, little_endian=True, force_encoding=True, enforce_file_format=False)
    raw = stream.getvalue()
    start = raw.index(b"\x08\x00\x16\x00")
    np.testing.assert_allclose(read_dicom(raw[start:])[0], U16 / 4095, atol=1e-6)


def test_absurd_claims_take_no_memory():
    bomb = dataset(U16, {"Rows": 14000, "Columns": 14000})
    tracemalloc.start()
    with pytest.raises(RadiographError, match="truncated"):
        read_dicom(content(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_reading_is_silent(recwarn, capfd):
    raw = content(dataset(U16, PERSONAL)).replace(b"19700101", b"xxxxxxxx")
    read_dicom(raw)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("siim_cxr_jpeg", ["+Wm"]),
        ("xrv_monochrome1", ["+Wm"]),
        ("vlut_04", ["+Wl", "1"]),
        ("mlut_18", ["+Wm"]),
        ("RG1_J2KI", ["+Wi", "1"]),
        ("RG3_J2KI", ["+Wi", "1"]),
    ],
)
def test_agrees_with_dcmtk(frugal_data, tmp_path, name, options):
    """DCMTK's rendering (+Wm: own range; +Wi 1: first window; +Wl 1: first LUT), in 16 bits."""
    if shutil.which("dcmj2pnm") is None:
        pytest.skip("DCMTK is not installed")
    source = frugal_data / "dicom" / f"{name}.dcm"
    plain = source
    if name.startswith("RG"):
        # Debian's DCMTK knows no JPEG 2000.
        plain = tmp_path / "plain.dcm"
        made = pydicom.dcmread(source)
        made.decompress()
        made.save_as(plain)
    picture = tmp_path / "shown.png"
    subprocess.run(["dcmj2pnm", "+on2", *options, str(plain), str(picture)], check=True, capture_output=True)
    expected = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED) / 65535
    # One step of DCMTK's 16-bit output, and of its own rounding within it.
    np.testing.assert_allclose(read_radiograph(source)[0], expected, atol=2 / 65535)


DCMTK_CASES = sorted(
    # DCMTK knows no LINEAR_EXACT, and looks for no padding.
    set(CASES)
    & {
        "LINEAR",
        "LINEAR, identity",
        "INVERSE alone",
        "MONOCHROME1 with INVERSE",
        "MONOCHROME1 without a window",
        "rescale, then window",
        "overlay bits off",
        "high bit 15 of 12 bits",
        "signed",
        "signed, 12 bits, rubbish above",
        "negative slope",
    }
)


@pytest.mark.parametrize("name", DCMTK_CASES)
def test_made_images_agree_with_dcmtk(tmp_path, name):
    if shutil.which("dcm2pnm") is None:
        pytest.skip("DCMTK is not installed")
    pixels, changes, _ = CASES[name]
    source, picture = tmp_path / "a.dcm", tmp_path / "a.png"
    source.write_bytes(content(dataset(pixels, changes)))
    option = ["+Wi", "1"] if "WindowCenter" in changes else ["+Wm"]
    subprocess.run(["dcm2pnm", "+on2", *option, str(source), str(picture)], check=True, capture_output=True)
    expected = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED) / 65535
    np.testing.assert_allclose(read_radiograph(source)[0], expected, atol=2 / 65535)


@pytest.mark.parametrize("name", ["RG1_J2KI", "RG3_J2KR"])
def test_pixels_agree_with_simpleitk(frugal_data, name):
    simpleitk = pytest.importorskip("SimpleITK")
    source = frugal_data / "dicom" / f"{name}.dcm"
    header = pydicom.dcmread(source, stop_before_pixels=True)
    # GDCM inverts MONOCHROME1 itself over the stored range: undo that, then the window's formula, then invert.
    shown = simpleitk.GetArrayFromImage(simpleitk.ReadImage(str(source)))[0].astype(np.float64)
    stored = 2**header.BitsStored - 1 - shown
    window = (stored - (header.WindowCenter - 0.5)) / (header.WindowWidth - 1) + 0.5
    np.testing.assert_allclose(read_radiograph(source)[0], 1 - np.clip(window, 0, 1), atol=1e-6)


def test_chest_comes_out_the_right_way_round(frugal_data):
    """RG1 is MONOCHROME1. Boxes read off its picture: the right lung's upper field, and the spine behind the heart."""
    image, meta = read_radiograph(frugal_data / "dicom" / "RG1_J2KI.dcm")
    height, width = image.shape
    lung = image[int(0.20 * height) : int(0.30 * height), int(0.22 * width) : int(0.34 * width)].mean()
    spine = image[int(0.55 * height) : int(0.70 * height), int(0.47 * width) : int(0.53 * width)].mean()
    assert lung + 0.2 < spine
    assert meta["spacing"] is None
    assert (meta["view"], meta["bits"], meta["photometric"]) == ("PA", 15, "MONOCHROME1")


def test_inverted_twins(frugal_data):
    """The same pixels under MONOCHROME2 and MONOCHROME1: the one is the other's negative, exactly."""
    upright = read_radiograph(frugal_data / "dicom" / "siim_cxr_jpeg.dcm")[0]
    inverted = read_radiograph(frugal_data / "dicom" / "xrv_monochrome1.dcm")[0]
    np.testing.assert_allclose(upright + inverted, 1, atol=1e-6)
