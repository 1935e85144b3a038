"""How often the look at the pixels refuses what it should: frontal radiographs of the chest, and other pictures.

    FRUGAL_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.views [--others FOLDER ...] [--write docs/dicom.md]
    FRUGAL_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.views --train app/views/frontal.safetensors

Half of the patients train the network, the others are measured. What radiographs are turned into, and what is drawn, is
drawn anew for measuring; the folders of ``--others``, one row each, take no part in the training. Training takes 6
minutes on one core. ``--write`` puts the table between the markers of the file.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from app.views.check import unsuited_pixels
from benchmarks.report import write_between
from benchmarks.timing import shortest
from benchmarks.view_pictures import DRAWN, NO_LONGER_FRONTAL, SIDE, STILL_FRONTAL, Picture
from benchmarks.view_training import Radiograph, is_development, radiographs, train
from evaluation.distributions import exact_interval

EACH_DRAWN = 100


def row(what: str, pictures: Iterable[tuple[str, Picture]]) -> tuple[str, list[tuple[str, str, bool]]]:
    """A line of the table: how many pictures (group, picture) are refused and marked; and each verdict."""
    verdicts = [(group, *unsuited_pixels(np.clip(picture, 0, 1)[None])) for group, picture in pictures]
    refused = [group for group, reason, _ in verdicts if reason]
    groups, refused_groups = len({group for group, *_ in verdicts}), len(set(refused))
    interval = exact_interval(refused_groups, groups)
    marked = sum(is_doubtful for *_, is_doubtful in verdicts)
    line = (
        f"| {what} | {len(verdicts)} of {groups} | {len(refused)} ({len(refused) / len(verdicts):.1%}) "
        f"| {refused_groups} ({interval.lower:.1%} to {interval.upper:.1%}) | {marked} |"
    )
    print(line, flush=True)
    return line, verdicts


def reasons(verdicts: Iterable[tuple[str, str, bool]]) -> str:
    counts: dict[str, int] = {}
    for _, reason, _ in verdicts:
        counts[reason or "taken for frontal"] = counts.get(reason or "taken for frontal", 0) + 1
    return ", ".join(f"{reason}: {count}" for reason, count in sorted(counts.items(), key=lambda each: -each[1]))


def table(measured: dict[str, list[Radiograph]], others: list[Path]) -> list[str]:
    random = np.random.default_rng(1)
    nih = measured["ChestX-ray14"]
    lines = [
        "| pictures | pictures of groups (patients, sources) | refused | groups with one refused (95%) | marked |",
        "|---|---|---|---|---|",
    ]
    for name, change in STILL_FRONTAL.items():
        lines.append(row(f"ChestX-ray14, {name}", ((p, change(each, random)) for p, each in nih))[0])
    lines += [row(name, measured[name])[0] for name in measured if name != "ChestX-ray14"]
    for name, change in NO_LONGER_FRONTAL.items():
        line, verdicts = row(f"ChestX-ray14, {name}", ((p, change(each, random)) for p, each in nih))
        print(f"    {reasons(verdicts)}")
        lines.append(line)
    for name, draw in DRAWN.items():
        lines.append(row(name, ((str(number), draw(random)) for number in range(EACH_DRAWN)))[0])
    for folder in others:
        line, verdicts = row(folder.name.replace("_", " "), pictures_of(folder))
        print(f"    {reasons(verdicts)}")
        lines.append(line)
    return lines


def pictures_of(folder: Path) -> Iterable[tuple[str, Picture]]:
    """Picture files as grey values, with what stands before "--" in their names as the group."""
    for path in sorted(folder.iterdir()):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is not None:
            yield path.stem.partition("--")[0], grey.astype(np.float32) / 255


def time_of_one() -> str:
    image = np.random.default_rng(0).uniform(size=(1, 2048, 2048)).astype(np.float32)
    seconds, _ = shortest(lambda: unsuited_pixels(image), 20)
    return f"A picture of 2048 x 2048 pixels that is refused takes {seconds * 1000:.1f} ms of one core."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, metavar="FILE", help="train the network and write its weights")
    parser.add_argument("--others", type=Path, nargs="+", default=[], metavar="FOLDER", help="of other pictures")
    parser.add_argument("--write", type=Path, metavar="FILE", help="document that gets the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    everything = radiographs(Path(os.environ["FRUGAL_DATA"]), SIDE)
    chosen = {
        name: [each for each in all_of_it if is_development(each.patient) == bool(arguments.train)]
        for name, all_of_it in everything.items()
    }
    if arguments.train:
        state = train(chosen).state_dict()
        save_file(
            {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
            arguments.train,
        )
        return
    lines = [*table(chosen, arguments.others), "", time_of_one()]
    print(lines[-1])
    if arguments.write:
        write_between("views", "\n".join(lines), arguments.write)


if __name__ == "__main__":
    main()
