"""How good the outlines of the lungs are over five folds, and whether a lung is lost on radiographs of another kind.

    FRUGAL_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.lungs [--folds FOLDER] [--weights FILE] [--write DOCUMENT]

``--folds`` holds runs of the lung_segmentation bundle, fold_0 to fold_4 (see its docs for the command), whose datalists
lie beside them in data/; without it, the table of folds is left out. The other table takes the ChestX-ray14 radiographs
of the patients that the doubt about lungs was not set by, and what was made of them: imitations, not radiographs of
children, say. Their lungs are what the network outlines in the unchanged radiograph. ``--write`` puts the tables
between the markers of the document.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch

from app.datalist.file import read_datalist
from app.findings import LUNGS
from app.networks.lungs import LungSegmenter
from app.views.check import unsuited_pixels
from benchmarks.lung_pictures import UNLIKE, Pair, lung_sides
from benchmarks.report import write_between
from benchmarks.timing import shortest
from benchmarks.view_training import is_development
from transforms import CropLungs, read_radiograph
from transforms.lungs import implausibility, lung_box
from transforms.pixels import read_mask

WEIGHTS = "bundles/lung_segmentation/models/model.pt"
SIDE = 256
"""Of the radiographs that are changed."""
KEPT = 0.9
"""Share of each lung that a crop must hold."""


def dice(mask: np.ndarray, drawn: np.ndarray) -> float:
    return float(2 * (mask & drawn).sum() / max(mask.sum() + drawn.sum(), 1))


def dice_of_fold(run: Path, data: Path) -> list[float]:
    """Dice of each radiograph of the test section, on the pixels of its drawn mask."""
    segment, values = LungSegmenter(run / "model.pt"), []
    for item in read_datalist(data).sections["test"]:
        probability = segment(read_radiograph(data.parent / item.image)[0][None])
        drawn = read_mask(data.parent / str(item.mask[LUNGS]))
        values.append(dice(cv2.resize(probability, drawn.shape[::-1]) > 0.5, drawn))
    return values


def table_of_folds(folder: Path) -> list[str]:
    lines = ["| fold | radiographs | mean Dice | median | worst | below 0.88 |", "|---|---|---|---|---|---|"]
    folds = [dice_of_fold(folder / f"fold_{fold}", folder / f"data/fold_{fold}.json") for fold in range(5)]
    for name, values in [*((str(number), each) for number, each in enumerate(folds)), ("**all**", list(chain(*folds)))]:
        lines.append(
            f"| {name} | {len(values)} | {np.mean(values):.3f} | {np.median(values):.3f} | {min(values):.3f} "
            f"| {sum(value < 0.88 for value in values)} |"
        )
        print(lines[-1], flush=True)
    return lines


def kept(box: np.ndarray, sides: Sequence[np.ndarray]) -> bool:
    """Whether a box holds as much of each lung as it must."""
    x, y, width, height = box
    return all(side[y : y + height, x : x + width].sum() >= KEPT * side.sum() for side in sides)


def row(name: str, outlined_ones: Sequence[Pair], segment: LungSegmenter) -> str:
    """A line of the table for one way to change the radiographs."""
    random, counts = np.random.default_rng(0), np.zeros(6, int)
    for unchanged, outline in outlined_ones:
        grey, lungs = UNLIKE[name](unchanged, outline, random)
        grey, sides = np.clip(grey, 0, 1)[None], lung_sides(lungs)
        probability = outlined(segment, grey)
        mask, shape = probability > 0.5, lungs.shape
        crop = CropLungs().place(probability, shape)
        plain_is_cut = implausibility(mask) == "" and not kept(lung_box(mask, shape, 0.05), sides)
        is_lost = any((mask & side).sum() < side.sum() / 2 for side in sides)
        is_cut, is_refused = not kept(crop.box, sides), bool(unsuited_pixels(grey)[0])
        unseen = is_cut and not (crop.is_doubtful or is_refused)
        counts += is_lost, plain_is_cut, is_cut, unseen, crop.is_doubtful, is_refused
    line = f"| {name} | {len(outlined_ones)} | {' | '.join(map(str, counts))} |"
    print(line, flush=True)
    return line


def outlined(segment: LungSegmenter, image: np.ndarray) -> np.ndarray:
    return cv2.resize(segment(image), image.shape[:0:-1])


def table_of_unlike(data: Path, segment: LungSegmenter) -> list[str]:
    """One radiograph of each patient."""
    paths = {path.name.split("_")[0]: path for path in sorted((data / "nih/images").glob("*.png"))}
    pictures = [square(path) for patient, path in paths.items() if not is_development(patient)]
    pairs = [(picture, outlined(segment, picture[None]) > 0.5) for picture in pictures]
    return [
        "| ChestX-ray14 | radiographs | lung lost in the outline | lung cut off, 5% margin | lung cut off | unnoticed "
        "| in doubt | refused by the look at the pixels |",
        "|---|---|---|---|---|---|---|---|",
        *(row(name, pairs, segment) for name in UNLIKE),
    ]


def square(path: Path) -> np.ndarray:
    return cv2.resize(np.asarray(read_radiograph(path)[0], np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def time_of_one(segment: LungSegmenter) -> str:
    image = np.random.default_rng(0).uniform(size=(1, 1024, 1024)).astype(np.float32)
    seconds, _ = shortest(lambda: segment(image), 20)
    return f"Outlining the lungs in 1024 x 1024 pixels takes {seconds * 1000:.1f} ms of one core."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=Path, metavar="FOLDER", help="of the five trainings")
    parser.add_argument("--weights", default=WEIGHTS, metavar="FILE", help="default: the shipped ones")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="document that gets the tables")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    segment = LungSegmenter(arguments.weights)
    lines = [*table_of_folds(arguments.folds), ""] if arguments.folds else []
    lines += [*table_of_unlike(Path(os.environ["FRUGAL_DATA"]), segment), "", time_of_one(segment)]
    print(lines[-1])
    if arguments.write:
        write_between("lungs", "\n".join(lines), arguments.write)


if __name__ == "__main__":
    main()
