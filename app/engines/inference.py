"""A folder of radiographs in; scores and one picture each, in the radiograph's own pixels, out."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.engines.evaluator import RadiographEvaluator
from app.engines.maps import below
from app.engines.output_folder import remove, require_writable
from app.engines.processes import world_size
from app.engines.record import record_of
from app.engines.running import running_config, settings_of
from app.files.atomic import whole_file, write_png
from app.files.folders import list_files
from app.files.limited import limited
from app.findings import NOT_SAID
from app.networks.checkpoints import load_exactly
from evaluation.cells import safe_row
from evaluation.logits import probability
from transforms import read_radiograph, restore_map
from transforms.errors import RadiographError, shown

logger = logging.getLogger(__name__)

LONGEST_SIDE = 1024
"""Pixels of the longer side of an overlay picture; larger radiographs are shown reduced."""
SMALLEST_LINE = 12
"""Pixels of a line of its captions; smaller ones cannot be read."""


def folder_samples(
    folder: str | Path, findings: Sequence[str], output_dir: str | Path | None = None
) -> list[dict[str, Any]]:
    """Every file of a folder, at any depth, as a sample of which nothing is known; see ``app.files.folders``.

    Args:
        folder: of radiographs.
        findings: names, in the network's order.
        output_dir: where results go; left out where it lies in the folder.

    Raises:
        FileNotFoundError: there is no such folder, or no file in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder of radiographs")
    listing = list_files(root, Path(output_dir) if output_dir is not None else None)
    left_out = listing.told()
    if left_out:
        logger.info(f"left out of {root}: {left_out}")
    if not listing.files:
        raise FileNotFoundError(f"{root}: no file in this folder{f' (left out: {left_out})' if left_out else ''}")
    return [_sample(path, listing.folder, len(findings)) for path in listing.files]


class Inference:
    """Score the radiographs of a folder: ``predictions.csv`` and one overlay picture each in ``output_dir``.

    Args:
        evaluator: over the prepared folder, with ``on_error="exclude"``.
        findings: names, in the network's order.
        output_dir: made where missing.
        threshold: of the maps, where their outline is drawn; None for those kept beside the weights.
    """

    def __init__(
        self,
        evaluator: RadiographEvaluator,
        findings: Sequence[str],
        output_dir: str | Path,
        threshold: float | None = None,
    ) -> None:
        self.evaluator = evaluator
        # MONAI's parser has written "::" for each "#" of a name.
        self.findings = [name.replace("::", "#") for name in findings]
        self.output_dir = Path(output_dir)
        self.threshold = threshold
        self._thresholds: tuple[float, ...] = ()
        self._without_picture: list[str] = []

    def run(self, checkpoint: str | Path) -> None:
        """Load the weights and score every radiograph; files that could not be read are listed in ``excluded.csv``.

        A file that has changed or vanished since it was prepared is scored as it was then, and has no picture.

        Raises:
            ValueError: none could be read, or the weights do not fit the network.
            RuntimeError: several processes.
        """
        if world_size() > 1:
            raise RuntimeError(
                f"a folder is scored by one process, not by {world_size()}: start it with python -m monai.bundle "
                "run run in place of torchrun"
            )
        require_writable(self.output_dir)
        load_exactly(self.evaluator.network, checkpoint)
        record = record_of(Path(checkpoint), self.findings, settings_of(running_config()))
        given = (self.threshold,) * len(self.findings) if self.threshold is not None else None
        self._thresholds = given or record.map_thresholds
        dataset = self.evaluator.dataset
        remove(self.output_dir, ("excluded.csv", "predictions.csv"))
        excluded = self.output_dir / "excluded.csv"
        with _table(excluded) as file:
            csv.writer(file).writerows([("image", "error"), *map(safe_row, dataset.excluded)])
        if not len(dataset):
            raise ValueError(
                f"none of {len(dataset.excluded)} files is a readable radiograph; each is named with its error in "
                f"{excluded}, the first: {dataset.excluded[0][1]}"
            )
        with _table(self.output_dir / "predictions.csv") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "finding", "score", "logit"])

            def write(engine: Engine) -> None:
                self._write_batch(engine, writer)

            with self.evaluator.add_event_handler(Events.ITERATION_COMPLETED, write):
                self.evaluator.run()
        logger.info(f"{len(dataset)} radiographs scored, {len(dataset.excluded)} files left out (excluded.csv)")
        if self._without_picture:
            logger.warning(
                f"{len(self._without_picture)} scored radiographs have no picture, since their files are not what they "
                f"were when they were prepared: {'; '.join(self._without_picture)}"
            )
        if dataset.lungs_not_found:
            logger.info(f"no lungs found, whole image used: {', '.join(dataset.lungs_not_found)}")
        logger.info(f"Results are in {self.output_dir}.")

    def _write_batch(self, engine: Engine, writer: Any) -> None:  # noqa: ANN401 - csv has no public writer type
        prediction = engine.state.output[CommonKeys.PRED]
        logits = prediction.score.double().cpu().numpy()
        scores = probability(logits)
        maps = self.evaluator.collected.reading.probability(prediction.map)
        for row, index in enumerate(engine.state.batch["index"].tolist()):
            sample = self.evaluator.dataset.samples[index]
            for finding, score, logit in zip(self.findings, scores[row].tolist(), logits[row].tolist(), strict=True):
                writer.writerow(safe_row([sample["name"], finding, score, logit]))
            batch = engine.state.batch
            captions = [f"{self.findings[c]} {scores[row, c]:.2f}" for c in np.argsort(-logits[row], kind="stable")]
            self._draw(
                sample, maps[row], batch["region"][row].numpy(), tuple(batch["original_size"][row].tolist()), captions
            )

    def _draw(
        self,
        sample: Mapping[str, Any],
        maps: np.ndarray,
        region: np.ndarray,
        original_size: tuple[int, ...],
        captions: Sequence[str],
    ) -> None:
        """Write one overlay picture, on the file's own pixels."""
        try:
            image, _ = limited(read_radiograph, sample["image"])
        except RadiographError as error:
            self._without_picture.append(str(error))
            return
        if image.shape != original_size:
            self._without_picture.append(f"{sample['image']}: is another image now, of {image.shape} rows and columns")
            return
        stored = restore_map(maps, region, image.shape, patches=self.evaluator.collected.reading.patches).numpy()
        picture = overlay(image, stored, captions, self._thresholds)
        # Folders stay folders: joined into one name, a/b.png and a_b.png would overwrite each other.
        path = below(self.output_dir / "overlays", sample["name"], ".png")
        write_png(path, picture)


def overlay(image: np.ndarray, maps: np.ndarray, captions: Sequence[str], thresholds: Sequence[float]) -> np.ndarray:
    """A radiograph with the strongest map as a red veil, outlines at the thresholds, and captions.

    Args:
        image: (H, W) in [0, 1].
        maps: (C, H, W) probabilities, on the same pixels.
        captions: lines of text, the most important first; those that do not fit into the upper third are left out.
        thresholds: of the outlines, C.

    Returns:
        (h, w, 3) uint8, blue first as OpenCV writes it; the longer side has at most 1,024 pixels.
    """
    scale = min(1.0, LONGEST_SIDE / max(image.shape))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    grey = cv2.resize((image * 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    resized = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in maps])
    veil = (0.45 * resized.max(axis=0))[..., None]
    picture = (cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR) * (1 - veil) + veil * np.array([0, 0, 255.0])).astype(np.uint8)
    inside = (resized >= np.asarray(thresholds)[:, None, None]).any(axis=0).astype(np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, (0, 0, 255), 1)
    _write(picture, captions)
    return picture


def _write(picture: np.ndarray, captions: Sequence[str]) -> None:
    """Write lines into the upper third of a picture, smaller where they are many."""
    third = picture.shape[0] // 3
    height = min(22, max(SMALLEST_LINE, third // max(1, len(captions))))
    for line, caption in enumerate(captions[: max(1, third // height)]):
        place, size = (8 * height // 22, height * (line + 1)), 0.6 * height / 22
        cv2.putText(picture, caption, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(picture, caption, place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)


def _sample(path: Path, root: Path, findings: int) -> dict[str, Any]:
    return {
        "image": str(path.absolute()),
        "name": shown(path.relative_to(root).as_posix()),
        "patient": "",
        "study": "",
        "view": "",
        "source": "",
        "attributes": {},
        "label": np.full(findings, NOT_SAID, dtype=np.float32),
        "annotated": np.zeros(findings, dtype=bool),
        "boxes": np.zeros((0, 4), dtype=np.float32),
        "box_finding": np.zeros(0, dtype=np.int64),
        "mask": [],
    }


@contextmanager
def _table(path: Path) -> Iterator[TextIO]:
    """A table to write, whole or not at all: what is no UTF-8 in an error's text becomes an escape."""
    with (
        whole_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file
