"""What ``frugal next`` finds in pools of phantoms: a rare finding, and one that half of the images have.

    OMP_NUM_THREADS=1 python -m benchmarks.selection --out runs/selection

Phantoms have four findings, each in three of ten images; those with one of them are thinned out to 2%, or those without
it to 50%. Two small networks are trained with 700 of them, outlined or with labels alone, and validated and tested on
300. ``frugal next`` then spends its reads on a pool of other patients, once for each strategy and seed of its draws;
all but the committee ask the first network. Counted are the images with the finding among those that it chose; the last
column is what ``frugal next --evaluate`` says when the labels of these are back. What exists is not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.cli import main as frugal
from app.datalist.file import moved, read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.findings import NOT_SAID
from app.phantoms.opened import made_phantoms
from app.selection.evaluation import verdict
from app.selection.scores import read_scores
from app.selection.selection import STRATEGIES
from app.selection.used import Used, read_used
from benchmarks.report import machine
from evaluation.delong import auc_intervals

FINDING = "Effusion"
FINDINGS = ("Atelectasis", "Consolidation", FINDING, "Pneumothorax")
PHANTOMS = {"count": 2_700, "size": 128, "prevalence": 0.3, "findings": FINDINGS}
"""In each of some folders: those of benchmarks.planning_on_phantoms serve as well."""
FOLDERS = 4
SECTIONS = {"training": 700, "validation": 100, "test": 200}
"""Images of the labelled datalist."""
PRICES = "unit: reads\npool: 100000\nlevels: {image: {each: 1}}\n"
SMALL = {"image_size": 64, "width": 8, "max_epochs": 20}
HEAD = (
    "trained with",
    "prevalence",
    "pool",
    "AUC",
    "reads",
    "strategy",
    "with the finding",
    "against random",
    "said to be",
)


@dataclass(frozen=True)
class Trial:
    """A pool, how many of its images are read, and whether the training images of the network are outlined."""

    prevalence: float
    pool: int
    reads: int
    outlined: bool = False

    @property
    def name(self) -> str:
        """For files, and for the table."""
        return f"{self.prevalence:g}{' outlined' * self.outlined}"


def phantoms(folder: Path) -> list[Item]:
    """Items of all folders, named from their common one; patients of different folders are different people."""
    items: list[Item] = []
    for seed in range(FOLDERS):
        path = made_phantoms({**PHANTOMS, "seed": seed}, folder)
        named = moved(read_datalist(path), path, folder / "all.json").items()
        items += [replace(item, patient=f"{seed}-{item.patient}") for item in named]
    return items


def thinned(items: Sequence[Item], trial: Trial) -> list[list[Item]]:
    """Images of the labelled sections and of the pool, in random order of patients, who are in one of them alone."""
    random = np.random.default_rng(0)
    place = {
        patient: number for number, patient in enumerate(random.permutation(sorted({item.patient for item in items})))
    }
    has = np.array([item.label[FINDINGS.index(FINDING)] == 1 for item in items])
    wanted = np.where(has, trial.prevalence, 1 - trial.prevalence) / np.where(has, has.mean(), 1 - has.mean())
    kept = [items[index] for index in np.flatnonzero(random.random(len(items)) < wanted / wanted.max()).tolist()]
    kept.sort(key=lambda item: place[item.patient])
    parts: list[list[Item]] = []
    for count in (*SECTIONS.values(), trial.pool):
        end = next((n for n in range(count, len(kept)) if kept[n].patient != kept[n - 1].patient), len(kept))
        parts.append(kept[:end])
        kept = kept[end:]
    return parts


def made(trial: Trial, folder: Path) -> tuple[Path, Path, Datalist]:
    """The labelled datalist, that of the pool without anything that a reader would say, and the pool's truth."""
    *labelled, truth = thinned(phantoms(folder), trial)
    start, pool = folder / f"start {trial.name}.json", folder / f"pool {trial.name}.json"
    kept = labelled if trial.outlined else [[without_location(item) for item in items] for items in labelled]
    write_datalist(Datalist("start", FINDINGS, dict(zip(SECTIONS, kept, strict=True))), start)
    unread = [replace(without_location(item), label=(NOT_SAID,) * len(FINDINGS)) for item in truth]
    write_datalist(Datalist.unsplit("pool", FINDINGS, unread), pool)
    return start, pool, Datalist.unsplit("truth", FINDINGS, truth)


def without_location(item: Item) -> Item:
    """The image with its labels alone."""
    return replace(item, boxes=(), mask={}, annotated=())


def networks(start: Path, folder: Path) -> list[Path]:
    """The folders of two trained networks."""
    runs = [folder / f"network_{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        if not (run / "metrics.json").exists():
            words = [f"--{name}={value}" for name, value in {**SMALL, "seed": seed}.items()]
            command(["train", "annotation_cost", "--datalist", str(start), "--output_dir", str(run), *words])
    return runs


def command(words: Sequence[str]) -> None:
    """Run a command line of ours."""
    if frugal(list(words)):
        raise RuntimeError(f"frugal {' '.join(words)} failed")


def chosen(strategy: str, seed: int, trial: Trial, files: Sequence[Path], folder: Path) -> Path:
    """What ``frugal next`` chooses."""
    prices, pool, *runs = files
    out = folder / f"{strategy}_{seed}"
    if (out / "next.json").exists():
        return out / "next.json"
    words = ["--pool", str(pool), "--prices", str(prices), "--budget", str(trial.reads), "--out", str(out)]
    words += [word for run in runs for word in ("--predictions", str(predictions(run)))]
    command(["next", *map(str, runs), *words, "--strategy", strategy, "--seed", str(seed)])
    return out / "next.json"


def predictions(run: Path) -> Path:
    """A network's scores of the pool."""
    return run.with_name(f"{run.name}_pool") / "predictions.csv"


def scored(run: Path, pool: Path) -> None:
    """Score the pool with a network, unless that was done."""
    if not predictions(run).exists():
        words = ["--output_dir", str(predictions(run).parent), "--inference#overlays", "False"]
        command(["predict", str(run), str(pool), *words])


def lines(trial: Trial, phantoms: Path, folder: Path, seeds: int) -> list[str]:
    """The rows of the table for one pool."""
    folder.mkdir(parents=True, exist_ok=True)
    start, pool, truth = made(trial, phantoms)
    runs = networks(start, folder)
    for run in runs:
        scored(run, pool)
    prices = folder / "prices.yaml"
    prices.write_text(PRICES)
    label = {item.image: item.label[FINDINGS.index(FINDING)] for item in truth.items()}
    scores = read_scores([predictions(runs[0])], list(label), (FINDING,)).mean
    area = auc_intervals(scores, np.array([*label.values()])[:, None], None)[0].interval.value
    found, words = {}, {}
    for strategy in sorted(STRATEGIES, key=lambda name: name != "random"):
        files = [prices, pool, *(runs if strategy == "committee" else runs[:1])]
        paths = [chosen(strategy, seed, trial, files, folder) for seed in range(seeds)]
        batches = [moved(read_datalist(path), path, pool).items() for path in paths]
        found[strategy] = np.array([sum(label[item.image] for item in batch) for batch in batches])
        words[strategy] = [said(path, truth, pool) for path in paths] if strategy != "random" else []
    start_images = "outlines" if trial.outlined else "labels"
    about = f"{start_images} | {np.mean([*label.values()]):.3f} | {len(label):,} | {area:.2f} | {trial.reads}"
    return [
        f"| {about} | {name} | {count.mean():.1f} ({count.min():.0f} to {count.max():.0f}) | "
        f"{count.mean() / found['random'].mean():.1f} | {_counted(words[name])} |"
        for name, count in found.items()
    ]


def said(path: Path, truth: Datalist, pool: Path) -> str:
    """What ``frugal next --evaluate`` says when the labels of a batch are back."""
    return verdict(read_used(path), Used(truth, pool)).words


def _counted(words: Sequence[str]) -> str:
    return ", ".join(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/selection"), metavar="DIR")
    parser.add_argument("--phantoms", type=Path, metavar="DIR", help="where they are or are made (default: in --out)")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="of each strategy's draws (default: 5)")
    arguments = parser.parse_args()
    folder = arguments.phantoms or arguments.out / "phantoms"
    trials = [Trial(0.02, 5_000, 500, outlined=True), Trial(0.02, 5_000, 500), Trial(0.5, 2_000, 300)]
    rows = [row for trial in trials for row in lines(trial, folder, arguments.out / trial.name, arguments.seeds)]
    print("\n".join([f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}", *rows, "", machine()]))


if __name__ == "__main__":
    main()
