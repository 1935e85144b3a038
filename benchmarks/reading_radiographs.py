"""How fast radiographs are read and prepared, against the same chains of MONAI with OpenCV's and scikit-image's CLAHE.

    python benchmarks/reading_radiographs.py [--count 6] [--side 1024] [--repeats 15]

One process, one thread; all ways to do a thing take turns over the same files, which are in the page cache, and the
best of all turns counts, since others on the machine only ever make a turn slower. Prints a Markdown table. The rows
with scikit-image need it installed, and are left out without it.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from monai.transforms import Compose, Lambdad, LoadImage, LoadImaged, Resized, ScaleIntensityRanged
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from app.data.phantom import write_phantoms
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
    best = dict.fromkeys(ways, float("inf"))
    for repeat in range(repeats):
        names = list(ways)
        np.random.default_rng(repeat).shuffle(names)  # the one before leaves the caches to the next
        for name in names:
            start = time.process_time()
            files = ways[name]()
            best[name] = min(best[name], (time.process_time() - start) / files)
    return best


def print_table(title: str, each: dict[str, float], aims: dict[str, float]) -> None:
    """The first way is ours."""
    ours = next(iter(each))
    print(f"\n| {title} | ms | FrugalCXR is faster by | at least |\n|---|---|---|---|")
    for name, seconds in each.items():
        ratio = f"{seconds / each[ours]:.1f}x" if name != ours else ""
        print(f"| {name} | {1000 * seconds:.1f} | {ratio} | {f'{aims[name]:g}x' if name in aims else ''} |")


def over(files: list[Path], transform: Callable, wrapped: bool = True) -> Callable[[], int]:
    def run() -> int:
        for file in files:
            transform({"image": str(file)} if wrapped else str(file))
        return len(files)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("count", 6), ("side", 1024), ("repeats", 15)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{platform.processor() or platform.machine()}, {platform.system()}, one thread")
    with tempfile.TemporaryDirectory() as temporary:
        pictures, radiographs = write_files(Path(temporary), options.count, options.side)
        ours = Compose([LoadRadiographd(), CLAHEd(), ResizeRadiographd(size=SIZE)])
        chains = {"FrugalCXR": over(pictures, ours), "MONAI, OpenCV's CLAHE": over(pictures, peer(clahe_of_opencv))}
        if importlib.util.find_spec("skimage") is None:
            print("scikit-image is not installed: its row is left out")
        else:
            chains["MONAI, scikit-image's CLAHE"] = over(pictures, peer(clahe_of_skimage))
        aims = {"MONAI, OpenCV's CLAHE": 2, "MONAI, scikit-image's CLAHE": 5}
        print_table(f"PNG {options.side} to CLAHE to {SIZE}", seconds_each(chains, options.repeats), aims)
        theirs = LoadImage(reader="PydicomReader", image_only=True)
        reads = {
            "FrugalCXR": over(radiographs, LoadRadiograph(), wrapped=False),
            "MONAI's PydicomReader": over(radiographs, theirs, wrapped=False),
        }
        each = seconds_each(reads, options.repeats)
        print_table(f"uncompressed DICOM {options.side}, 16 bit", each, {"MONAI's PydicomReader": 3})


if __name__ == "__main__":
    main()
