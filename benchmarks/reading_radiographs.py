"""How fast radiographs are read and prepared, against the same chains of MONAI with OpenCV's and scikit-image's CLAHE.

    python -m benchmarks.reading_radiographs [--count 6] [--side 1024] [--repeats 15] [--write docs/speed.md]

One process, one thread, processor time; all ways to do a thing take turns over the same files, which are in the page
cache, and the best of all turns counts, since others on the machine only ever make a turn slower. The row with
scikit-image needs it installed (`pip install scikit-image`), and is left out without it.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.transforms import Compose, Lambdad, LoadImage, LoadImaged, Resized, ScaleIntensityRanged
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from app.phantoms import write_phantoms
from benchmarks.report import Row, options, publish, table
from benchmarks.timing import in_turn
from transforms import CLAHEd, LoadRadiograph, LoadRadiographd, ResizeRadiographd
from transforms.read import read_radiograph

SIZE = 512


def write_dicom(path: Path, pixels: np.ndarray) -> None:
    """A DX image of 12 bits in 16, uncompressed, with a window, as detectors write them."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "DX", "MONOCHROME2", 1
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.RescaleSlope, made.RescaleIntercept, made.WindowCenter, made.WindowWidth = 1, 0, 2000, 3600
    made.ImagerPixelSpacing = [0.2, 0.2]
    made.PixelData = pixels.astype("<u2").tobytes()
    made["PixelData"].VR = "OW"
    made.save_as(path, enforce_file_format=True)


def write_files(folder: Path, count: int, side: int) -> tuple[list[Path], list[Path]]:
    """Phantoms as 8-bit PNG and as DICOM."""
    write_phantoms(folder / "phantoms", count=count, seed=0, size=side, findings=["Nodule"], progress=False)
    pictures, radiographs = [], []
    for number, path in enumerate(sorted((folder / "phantoms").rglob("*.dcm"))):
        image, _ = read_radiograph(path)
        pictures.append(folder / f"{number}.png")
        cv2.imwrite(str(pictures[-1]), np.rint(image * 255).astype(np.uint8))
        radiographs.append(folder / f"{number}.dcm")
        write_dicom(radiographs[-1], np.rint(image * 4095))
    return pictures, radiographs


def clahe_of_opencv(image: torch.Tensor) -> np.ndarray:
    equalise = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8))
    return equalise.apply(np.ascontiguousarray(np.asarray(image)[0], dtype=np.uint8))[None]


def clahe_of_skimage(image: torch.Tensor) -> np.ndarray:
    from skimage.exposure import equalize_adapthist

    return 255 * equalize_adapthist(np.asarray(image)[0].astype(np.uint8), kernel_size=None, clip_limit=0.01)[None]


def peer(clahe: Callable[[torch.Tensor], np.ndarray]) -> Compose:
    """The chain as MONAI's own transforms make it."""
    return Compose(
        [
            LoadImaged("image", reader="PILReader", image_only=True, ensure_channel_first=True),
            Lambdad("image", clahe),
            Resized("image", spatial_size=(SIZE, SIZE), mode="area"),
            ScaleIntensityRanged("image", 0, 255, 0, 1, clip=True),
        ]
    )


def seconds_each(ways: dict[str, Callable[[], int]], repeats: int) -> dict[str, float]:
    """Seconds a file of each way, the best of several turns."""
    return {name: min(seconds) for name, seconds in in_turn(ways, repeats).items()}


def rows_of(title: str, each: dict[str, float], aims: dict[str, float]) -> list[Row]:
    """A row a peer; the first way is ours."""
    ours, *peers = each
    return [
        Row(
            title,
            f"{1000 * each[ours]:.1f} ms",
            f"{peer} {1000 * each[peer]:.1f} ms",
            f"{each[peer] / each[ours]:.1f}x",
            f"at least {aims[peer]:g}x",
            each[peer] / each[ours] >= aims[peer],
        )
        for peer in peers
    ]


def over(files: list[Path], transform: Callable, wrapped: bool = True) -> Callable[[], int]:
    def run() -> int:
        for file in files:
            transform({"image": str(file)} if wrapped else str(file))
        return len(files)

    return run


def main() -> None:
    arguments = options(__doc__, count=6, side=1024, repeats=15).parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        pictures, radiographs = write_files(Path(temporary), arguments.count, arguments.side)
        ours = Compose([LoadRadiographd(), CLAHEd(), ResizeRadiographd(size=SIZE)])
        chains = {"FrugalCXR": over(pictures, ours), "MONAI, OpenCV's CLAHE": over(pictures, peer(clahe_of_opencv))}
        if importlib.util.find_spec("skimage") is None:
            print("scikit-image is not installed: its row is left out")
        else:
            chains["MONAI, scikit-image's CLAHE"] = over(pictures, peer(clahe_of_skimage))
        aims = {"MONAI, OpenCV's CLAHE": 2, "MONAI, scikit-image's CLAHE": 5}
        each = seconds_each(chains, arguments.repeats)
        rows = rows_of(f"PNG {arguments.side} to CLAHE to {SIZE}", each, aims)
        theirs = LoadImage(reader="PydicomReader", image_only=True)
        reads = {
            "FrugalCXR": over(radiographs, LoadRadiograph(), wrapped=False),
            "MONAI's PydicomReader": over(radiographs, theirs, wrapped=False),
        }
        each = seconds_each(reads, arguments.repeats)
        rows += rows_of(f"uncompressed DICOM {arguments.side}, 16 bit", each, {"MONAI's PydicomReader": 3})
    publish("reading_radiographs", "Reading and preparing radiographs", __doc__, table(rows), arguments.write)


if __name__ == "__main__":
    main()
