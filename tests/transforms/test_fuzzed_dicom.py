"""Files damaged by a seeded fuzzer: read, prepared and scored, or refused by a clear error; nothing else ever happens.

FRUGAL_FUZZ_SEEDS names other seeds, separated by commas: each makes 500 other DICOM files.
"""

import csv
import gzip
import multiprocessing
import os
import re
import resource
import struct
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pydicom
import pytest
import torch
from monai.transforms import Compose
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from app.contract import Prediction
from app.phantoms import write_phantoms
from app.prepared import PreparedDataset
from transforms import CLAHEd, LoadRadiographd, ResizeRadiographd
from transforms.errors import RadiographError
from transforms.read import read_radiograph

SEEDS = [int(seed) for seed in os.environ.get("FRUGAL_FUZZ_SEEDS", "0").split(",")]
COUNT = 500
GOOD_ONES = 20
"""Undamaged files among the damaged ones."""
ROOM = 2**30
"""Bytes of address space that reading may take, on top of what the libraries have."""
PATIENCE = 5.0
"""Seconds that one file may take."""


def dicom_bytes(pixels, changes=None, syntax=uid.ExplicitVRLittleEndian):
    """A small DX image in any transfer syntax that there is an encoder for."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if syntax.is_compressed else syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    bits = 8 * pixels.itemsize
    elements = {"Modality": "DX", "Rows": pixels.shape[0], "Columns": pixels.shape[1], "SamplesPerPixel": 1}
    elements |= {"PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": bits, "BitsStored": bits}
    elements |= {"HighBit": bits - 1, "PixelRepresentation": 0, "ViewPosition": "PA", "PixelSpacing": [0.2, 0.2]}
    big = syntax == uid.ExplicitVRBigEndian
    elements["PixelData"] = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes() if big else pixels.tobytes()
    for keyword, value in (elements | (changes or {})).items():
        setattr(made, keyword, value)
    made["PixelData"].VR = "OW"
    if syntax == uid.JPEGBaseline8Bit:
        made.file_meta.TransferSyntaxUID = syntax
        made.PixelData = encapsulate([cv2.imencode(".jpg", pixels)[1].tobytes()])
        made["PixelData"].VR = "OB"
    elif syntax.is_encapsulated:
        plugin = {uid.RLELossless: "pydicom", uid.JPEGLSLossless: "pyjpegls"}.get(syntax, "pylibjpeg")
        made.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    stream = BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def table():
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "OW", np.linspace(0, 65535, 4096).astype("<u2").tobytes())
    return Sequence([item])


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """Bytes of good DICOM files of every kind, by name."""
    generator = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(40), np.arange(56)) * 40 + generator.integers(0, 200, (40, 56))
    deep, flat = ramp.astype(np.uint16), (ramp // 17).astype(np.uint8)
    twelve = {"BitsStored": 12, "HighBit": 11}
    made = {
        "16 bit": dicom_bytes(deep),
        "implicit": dicom_bytes(deep, twelve | {"WindowCenter": 2000, "WindowWidth": 3000}, uid.ImplicitVRLittleEndian),
        "big endian": dicom_bytes(deep, twelve, uid.ExplicitVRBigEndian),
        "deflated": dicom_bytes(deep, twelve, uid.DeflatedExplicitVRLittleEndian),
        "8 bit": dicom_bytes(flat, {"PhotometricInterpretation": "MONOCHROME1"}),
        "tables": dicom_bytes(deep, twelve | {"VOILUTSequence": table(), "ModalityLUTSequence": table()}),
        "32 bit": dicom_bytes(deep.astype(np.uint32)),
        "signed, padded": dicom_bytes(deep, {"PixelRepresentation": 1, "PixelPaddingValue": 0}),
        "RLE": dicom_bytes(deep, twelve, uid.RLELossless),
        "RLE 8 bit": dicom_bytes(flat, None, uid.RLELossless),
        "JPEG": dicom_bytes(flat, None, uid.JPEGBaseline8Bit),
        "JPEG-LS": dicom_bytes(deep, twelve, uid.JPEGLSLossless),
        "JPEG-LS 8 bit": dicom_bytes(flat, None, uid.JPEGLSLossless),
        "JPEG 2000": dicom_bytes(deep, twelve, uid.JPEG2000Lossless),
        "JPEG 2000 8 bit": dicom_bytes(flat, None, uid.JPEG2000Lossless),
    }
    made["no preamble"] = made["16 bit"][132:]
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, count=6, seed=1, size=64, findings=["Nodule"], workers=0)
    made |= {f"phantom {path.stem}": path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}
    return made


# Each damage takes a good file's bytes and a generator.


def flipped(good, generator):
    """Some bits anywhere."""
    damaged = bytearray(good)
    for place in generator.integers(0, len(good), generator.integers(1, 9)):
        damaged[place] ^= 1 << generator.integers(8)
    return bytes(damaged)


def scribbled(good, generator):
    """Some bytes of the elements (not of the preamble) replaced by others."""
    damaged = bytearray(good)
    for place in generator.integers(128, min(len(good), 1200), generator.integers(1, 9)):
        damaged[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.integers(256)])
    return bytes(damaged)


def pixels_scribbled(good, generator):
    """Bytes of the pixel data's start, where compressed streams have their headers."""
    damaged = bytearray(good)
    start = max(good.find(b"\xe0\x7f\x10\x00"), good.find(b"\x7f\xe0\x00\x10"), 0)
    for place in generator.integers(start, min(len(good), start + 200), generator.integers(1, 7)):
        damaged[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.integers(256)])
    return bytes(damaged)


def cut(good, generator):
    """The end is missing."""
    return good[: generator.integers(0, len(good))]


def holed(good, generator):
    """A piece out of the middle is missing, zero, or there twice."""
    start = int(generator.integers(0, len(good)))
    stop = start + int(generator.integers(1, 300))
    return good[:start] + [b"", bytes(stop - start), good[start:stop] * 2][generator.integers(3)] + good[stop:]


def without_tags(good, generator):
    """One to three elements removed."""
    read = pydicom.dcmread(BytesIO(good), force=True)
    for tag in generator.permutation(list(read.keys()))[: generator.integers(1, 4)]:
        del read[tag]
    if generator.random() < 0.2:
        read.file_meta = FileMetaDataset()
    stream = BytesIO()
    pydicom.dcmwrite(stream, read, implicit_vr=read.original_encoding[0], little_endian=True, force_encoding=True)
    return stream.getvalue()


HEAD = re.compile(rb"[\x02\x08\x18\x28\xe0\xfe]\x00[\x00-\xff]\x00[A-Z][A-Z]|\xe0\x7f\x10\x00O[BW]\0\0")
LENGTHS = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF)
LONG_LENGTHS = (0, 1, 7, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def lying_lengths(good, generator):
    """Lengths of one to three elements that are not theirs."""
    damaged = bytearray(good)
    heads = list(HEAD.finditer(good))
    for _ in range(generator.integers(1, 4) if heads else 0):
        place = heads[generator.integers(len(heads))].start()
        if good[place + 4 : place + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            damaged[place + 8 : place + 12] = struct.pack("<I", int(generator.choice(LONG_LENGTHS)))
        else:
            damaged[place + 6 : place + 8] = struct.pack("<H", int(generator.choice(LENGTHS)))
    return bytes(damaged)


def lying_values(good, generator):
    """Sizes, depths and windows that are not those of the pixels; huge ones among them."""
    read = pydicom.dcmread(BytesIO(good), force=True)
    lies = [
        *(("Rows", value) for value in (0, 1, 39, 14000, 65535)),
        *(("Columns", value) for value in (0, 1, 57, 14000, 65535)),
        *(("BitsAllocated", value) for value in (0, 1, 8, 16, 32, 64, 65535)),
        *(("BitsStored", value) for value in (0, 1, 8, 16, 33)),
        *(("HighBit", value) for value in (0, 7, 15, 31, 65535)),
        *(("PixelRepresentation", value) for value in (1, 2, 65535)),
        *(("SamplesPerPixel", value) for value in (0, 3, 65535)),
        *(("NumberOfFrames", value) for value in (0, 2, 2**31 - 1)),
        *(("RescaleSlope", value) for value in ("0", "1e300", "-1e-300")),
        *(("WindowWidth", value) for value in ("0", "-1", "1e308")),
        *(("PixelPaddingValue", value) for value in (0, 4095, 65535)),
        ("PhotometricInterpretation", "RGB"),
    ]
    for number in generator.integers(0, len(lies), generator.integers(1, 4)):
        setattr(read, *lies[number])
    stream = BytesIO()
    pydicom.dcmwrite(stream, read, implicit_vr=read.original_encoding[0], little_endian=True, force_encoding=True)
    return stream.getvalue()


DAMAGES = (flipped, scribbled, pixels_scribbled, cut, holed, without_tags, lying_lengths, lying_values)


def damaged_files(good_files, damages, seed, count, folder, ending):
    """Write files damaged each in one way, and name them by what was done to what."""
    generator = np.random.default_rng(seed)
    kinds = list(good_files)
    for number in range(count):
        kind = kinds[generator.integers(len(kinds))]
        damage = damages[number % len(damages)]
        try:
            content = damage(good_files[kind], generator)
        except Exception:  # pydicom does not write everything back; then bits are flipped instead
            content = flipped(good_files[kind], generator)
        name = f"{number:03d} {damage.__name__} {kind}".replace(" ", "-") + ending
        (folder / name).write_bytes(content)


def read_all(paths, results):
    """Read files one after the other, with a limit on memory, and say of each what came of it and how long it took."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
    for path in paths:
        start = time.monotonic()
        try:
            image, _ = read_radiograph(path)
            sane = image.dtype == np.float32 and image.ndim == 2 and 0 <= image.min() <= image.max() <= 1
            result = "read" if sane else f"an image of {image.dtype} {image.shape}"
        except RadiographError as error:
            result = "refused" if str(error).startswith(f"{path}: ") else f"an error without the name: {error}"
            result = "out of memory" if "memory" in str(error) else result
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        results.send((path.name, result, time.monotonic() - start))
    results.send(None)


def read_in_a_process(paths):
    """What came of each file, by name; a process of its own tells crashes and hangs."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=read_all, args=(paths, theirs))
    child.start()
    theirs.close()
    results, left = {}, list(paths)
    try:
        while left:
            assert ours.poll(PATIENCE), f"{left[0]}: hangs"
            name, result, seconds = ours.recv()
            assert seconds < PATIENCE, f"{name}: took {seconds:.1f} seconds"
            results[name] = result
            left.pop(0)
    except EOFError:
        pytest.fail(f"{left[0]}: reading it ended the process")
    finally:
        child.kill()
        child.join()
    return results


@pytest.fixture(scope="module", params=SEEDS)
def radiographs(request, good_files, tmp_path_factory):
    """A folder of damaged DICOM files, and good ones whose names begin with "good"."""
    folder = tmp_path_factory.mktemp(f"damaged-{request.param}")
    damaged_files(good_files, DAMAGES, request.param, COUNT, folder, ".dcm")
    for number in range(GOOD_ONES):
        kind = list(good_files)[number % len(good_files)]
        (folder / f"good-{number:02d}.dcm").write_bytes(good_files[kind])
    return folder


@pytest.fixture(scope="module")
def outcomes(radiographs):
    """What reading made of each file, by name."""
    return read_in_a_process(sorted(radiographs.iterdir()))


def test_every_good_kind_is_read(good_files, tmp_path):
    for name, content in good_files.items():
        (tmp_path / "a.dcm").write_bytes(content)
        assert read_radiograph(tmp_path / "a.dcm")[0].max() > 0.5, name


def test_reading_gives_an_image_or_an_error_that_names_the_file(outcomes):
    counts = Counter(outcomes.values())
    assert set(counts) <= {"read", "refused"}, [item for item in outcomes.items() if item[1] not in ("read", "refused")]
    assert counts.total() == COUNT + GOOD_ONES
    assert counts["refused"] > COUNT / 4  # the fuzzer does damage
    assert counts["read"] > COUNT / 10  # and not only to what is looked at first
    assert {outcome for name, outcome in outcomes.items() if name.startswith("good")} == {"read"}


class Tiny(torch.nn.Module):
    """A network that looks at mean and pixels."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, image):
        maps = self.layer(image)
        return Prediction(maps.mean(dim=(2, 3)), maps)


@pytest.fixture(scope="module")
def prepared(radiographs, tmp_path_factory):
    """The folder, prepared by one process beside this one, with what cannot be prepared left out."""
    from app.engines.inference_samples import folder_samples

    transform = Compose([LoadRadiographd(), CLAHEd(), ResizeRadiographd(size=32)])
    folder = tmp_path_factory.mktemp("prepared")
    (samples,) = folder_samples(radiographs, ["Nodule"]).portions(COUNT + GOOD_ONES)
    start = time.monotonic()
    dataset = PreparedDataset(samples, transform, folder, workers=1, progress=False, on_error="exclude")
    assert time.monotonic() - start < COUNT * PATIENCE / 10
    return dataset


def test_preparing_leaves_out_what_cannot_be_read_and_names_it(prepared, outcomes):
    excluded = dict(prepared.excluded)
    kept = {sample["name"] for sample in prepared.samples}
    assert len(excluded) + len(kept) == COUNT + GOOD_ONES
    assert not kept & set(excluded)
    refused = {name for name, outcome in outcomes.items() if outcome == "refused"}
    # What is read may still be too small for the grid of CLAHE; nothing else is left out.
    assert refused <= set(excluded)
    for name, error in excluded.items():
        assert re.match(r"(RadiographError|ValueError): ", error), (name, error)
        assert name in error
        assert name in refused or "smaller than the grid" in error, (name, error)
    assert sum(name.startswith("good") for name in kept) == GOOD_ONES


def test_inference_scores_what_was_prepared_and_lists_the_rest(radiographs, prepared, tmp_path):
    import app.engines as engines
    from app.networks.checkpoints import save, weights

    device = torch.device("cpu")
    network = Tiny()
    save(weights(network), tmp_path / "model.pt")
    inferer = engines.MixedPrecisionInferer(precision="float32", device=device)
    evaluator = engines.RadiographEvaluator(engines.EvaluationLoader(prepared, 64), network, inferer)
    samples = engines.folder_samples(radiographs, ["Nodule"])
    engines.Inference(evaluator, samples, tmp_path / "out").run(tmp_path / "model.pt")
    scored = read_rows(tmp_path / "out" / "predictions.csv")
    excluded = read_rows(tmp_path / "out" / "excluded.csv")
    assert [row[0] for row in scored] == [sample["name"] for sample in prepared.samples]
    assert all(0 <= float(row[2]) <= 1 for row in scored)
    assert excluded == [list(each) for each in prepared.excluded]
    pictures = {path.name.removesuffix(".png") for path in (tmp_path / "out" / "overlays").iterdir()}
    assert pictures == {row[0].removesuffix(".dcm") for row in scored}


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def pictures():
    """Bytes of good PNG, JPEG, TIFF and NIfTI files, by name with ending."""
    generator = np.random.default_rng(0)
    flat = cv2.resize(generator.integers(0, 256, (8, 8), dtype=np.uint8), (48, 40))
    made = {f"8-bit.{kind}": cv2.imencode(f".{kind}", flat)[1].tobytes() for kind in ("png", "jpg", "tif")}
    made |= {f"16-bit.{kind}": cv2.imencode(f".{kind}", flat.astype("u2") * 16)[1].tobytes() for kind in ("png", "tif")}
    made["colour.png"] = cv2.imencode(".png", np.dstack([flat, flat, flat]))[1].tobytes()
    volume = nibabel.Nifti1Image(flat.T[..., None].astype(np.int16), np.diag([0.2, 0.2, 1, 1])).to_bytes()
    return made | {"16-bit.nii": volume, "16-bit.nii.gz": gzip.compress(volume, mtime=0)}


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_pictures_and_volumes_are_read_or_refused(tmp_path, seed):
    damaged_files(pictures(), (flipped, cut, holed, starts_scribbled), seed, 200, tmp_path, "")
    for name, content in pictures().items():
        (tmp_path / f"good-{name}").write_bytes(content)
    results = read_in_a_process(sorted(tmp_path.iterdir()))
    assert set(results.values()) <= {"read", "refused"}, results
    assert {results[f"good-{name}"] for name in pictures()} == {"read"}
    assert Counter(results.values())["refused"] > 50


def starts_scribbled(good, generator):
    """Bytes of the header."""
    damaged = bytearray(good)
    for place in generator.integers(0, min(len(good), 352), generator.integers(1, 9)):
        damaged[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.integers(256)])
    return bytes(damaged)
