"""Training of the network that tells frontal radiographs of the chest from other pictures."""

from __future__ import annotations

import csv
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from app.phantoms.write import ALL, write_phantoms
from app.views.network import SIDE as NETWORK_SIDE
from app.views.network import ViewNetwork, standardised
from benchmarks.view_pictures import DRAWN, NO_LONGER_FRONTAL, Picture, moved, noisy
from transforms import read_radiograph
from transforms.resize import ResizeRadiograph

LUNGS = Path(__file__).parents[1] / "bundles/lung_segmentation/docs/lungs.csv"
PHANTOMS = 150
SEED_OF_PHANTOMS = 11
EACH_DRAWN = 300
SHARES = (0.6, 0.2, 0.2)
BATCH = 128
STEPS = 1000


class Radiograph(NamedTuple):
    """A frontal radiograph of a patient, square."""

    patient: str
    picture: Picture


def is_development(patient: str) -> bool:
    """Whether a patient belongs to the half that the network learns from; the other half is measured."""
    return zlib.crc32(patient.encode()) % 2 == 0


def radiographs(data: Path, side: int) -> dict[str, list[Radiograph]]:
    """ChestX-ray14, the collection with lungs, and phantoms, resized to a square."""
    with LUNGS.open(newline="") as file:
        patients = {row["image"]: row["patient"] for row in csv.DictReader(file)}
    nih = sorted((data / "nih/images").glob("*.png"))
    cohen = sorted((data / "lungs/images").glob("*.png"))
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder), PHANTOMS, SEED_OF_PHANTOMS, 256, ALL, workers=1, progress=False)
        phantoms = sorted(Path(folder).rglob("*.dcm"))
        return {
            "ChestX-ray14": [Radiograph(path.name.split("_")[0], read(path, side)) for path in nih],
            "Cohen and Hannover": [Radiograph(patients[path.name], read(path, side)) for path in cohen],
            "phantoms": [Radiograph(path.name, read(path, side)) for path in phantoms],
        }


def read(path: Path, side: int) -> Picture:
    image = np.asarray(read_radiograph(path)[0], dtype=np.float32)
    picture: Picture = ResizeRadiograph(side)(image[None])[0].numpy()
    return picture


def small(picture: Picture) -> Picture:
    """Of the size that the network takes."""
    return cv2.resize(
        np.ascontiguousarray(picture, np.float32), (NETWORK_SIDE, NETWORK_SIDE), interpolation=cv2.INTER_AREA
    )


def others(frontal: Mapping[str, Sequence[Radiograph]], random: np.random.Generator) -> tuple[list[list[Picture]], ...]:
    """What is made of the radiographs, and what is drawn: a list of pictures of each kind."""
    sources = [radiograph.picture for each in frontal.values() for radiograph in each]
    made = [[small(change(picture, random)) for picture in sources] for change in NO_LONGER_FRONTAL.values()]
    return made, [[small(draw(random)) for _ in range(EACH_DRAWN)] for draw in DRAWN.values()]


def varied(picture: Picture, random: np.random.Generator) -> Picture:
    """As another machine, another field of view and another processing would show it."""
    picture = moved(
        picture if random.uniform() < 0.5 else picture[:, ::-1],
        random.normal(0, 6),
        random.uniform(0.75, 1.2),
        random.uniform(0.75, 1.25),
        tuple(random.normal(0, 0.03, 2)),
    )
    picture = np.clip(picture, 0, 1) ** np.exp(random.normal(0, 0.4))
    contrast = random.uniform(0.2, 1)
    return noisy(random.uniform(0, 1 - contrast) + contrast * picture, random, random.uniform(0, 0.05))


def batch(
    kinds: Sequence[Sequence[Sequence[Picture]]], random: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Half frontal radiographs (3 in 5 of ChestX-ray14), a quarter made of them, a quarter drawn."""
    pictures = []
    for index in range(BATCH):
        group = kinds[(0, 0, 1, 2)[index % 4]]
        kind = group[random.choice(3, p=SHARES) if index % 4 < 2 else random.integers(len(group))]
        pictures.append(varied(kind[random.integers(len(kind))], random))
    images = torch.stack([standardised(np.clip(picture, 0, 1)[None]) for picture in pictures])
    return images, torch.arange(BATCH).remainder(4).less(2).float()


def train(development: Mapping[str, Sequence[Radiograph]], seed: int = 0) -> ViewNetwork:
    """A network trained on the radiographs of the development half; pictures of any size."""
    torch.manual_seed(seed)
    random, network = np.random.default_rng(seed), ViewNetwork()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    frontal = [[small(radiograph.picture) for radiograph in each] for each in development.values()]
    kinds = (frontal, *others(development, random))
    for step in range(STEPS):
        images, labels = batch(kinds, random)
        loss = binary_cross_entropy_with_logits(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 199:
            print(f"step {step + 1} of {STEPS}: loss {loss.item():.4f}", flush=True)
    return network.eval()
