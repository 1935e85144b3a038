"""What tests of several rooms of the application start from."""

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.datalist.item import Box, Datalist, Item

FINDINGS = ("Nodule", "Effusion")


def item(number: int) -> Item:
    """Two images a patient; every third shows a nodule in a box, every other an effusion without one."""
    nodule, effusion = float(number % 3 == 0), float(number % 2 == 0)
    boxes = (Box("Nodule", 1, 1, 4, 4),) if nodule else ()
    return Item(f"{number:03}.png", f"p{number // 2}", (nodule, effusion), boxes=boxes, annotated=("Nodule",))


@pytest.fixture
def datalist() -> Datalist:
    """60, 10 and 10 items of two images a patient, some with boxes."""
    items = [item(number) for number in range(80)]
    sections = {"training": items[:60], "validation": items[60:70], "test": items[70:]}
    return Datalist("made", FINDINGS, sections)


@pytest.fixture(scope="session")
def chestxray14_datalist(frugal_data: Path) -> Datalist:
    """All of ChestX-ray14, from its tables; not to be changed."""
    from app.datasets.nih import chestxray14

    return chestxray14(frugal_data / "tables")


IMAGES = 120
KEYS = ("image", "patient", "finding")
RUN_FINDINGS = ("Effusion", "Pneumothorax", "Chest Drain")


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """Write an output folder: ``folder_of(name, strength, findings)``; more strength, better scores and Dice."""
    return partial(_write_run, tmp_path)


@pytest.fixture(scope="module")
def module_folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The same for fixtures that all tests of a module share."""
    return partial(_write_run, tmp_path_factory.mktemp("runs"))


def _write_run(
    parent: Path, name: str, strength: float, findings: tuple[str, ...] = RUN_FINDINGS, cases: bool = True
) -> Path:
    folder = parent / name
    folder.mkdir()
    same, own = np.random.default_rng(0), np.random.default_rng(int(strength * 100))
    label = same.integers(0, 2, (IMAGES, len(RUN_FINDINGS)))
    drawn = own.normal(size=label.shape) + strength * label
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient", "finding", "label", "score", "study", "view", "age", "sex", "operator"])
        for n in range(IMAGES):
            about = [f"study{n}", ("PA", "AP")[n % 2], 20 + n % 60, "FM"[n % 3 == 0], f"Person{n % 4}"]
            for c, finding in enumerate(findings):
                known = "" if n == 5 else label[n, c]
                writer.writerow([f"scan{n:03d}.png", f"Mustermann{n // 2}", finding, known, drawn[n, c], *about])
    if cases:
        with (folder / "cases.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*KEYS, "dice"])
            for n in np.flatnonzero(label[:, 0]):
                dice = float(np.clip(0.3 + 0.1 * strength + 0.1 * drawn[n, 0], 0, 1))
                writer.writerow([f"scan{n:03d}.png", f"Mustermann{n // 2}", "Effusion", dice])
    return folder
