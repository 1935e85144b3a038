"""The tables that scoring radiographs writes, by name and column; see ``docs/evaluation.md``."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.files.atomic import opened_whole
from evaluation.cells import safe_row

PREDICTIONS, EXCLUDED, PARQUET = "predictions.csv", "excluded.csv", "predictions.parquet"
DOUBTFUL = "doubtful.csv"
TABLES = (PREDICTIONS, EXCLUDED, PARQUET, DOUBTFUL)
"""All of them; the third only of an archive, the last only if some radiographs are in doubt."""
COLUMNS = ("image", "finding", "score", "logit", "threshold", "called")
"""Of ``predictions.csv``."""
EXCLUDED_COLUMNS = ("image", "error")


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChunkResult:
    """What scoring a chunk gave.

    Attributes:
        rows: Of ``predictions.csv``, as text.
        images: Number of images in them.
        excluded: (name, error) of each image that could not be scored.
        doubtful: Names of those that were scored and hardly look like frontal radiographs of the chest,
            or whose lungs are in doubt.
        called: How often each finding is called; None if no thresholds are kept beside the weights.
        whole: Number of images whose lungs were not found, so that they were scored as a whole.
        computing: What computed the network (`app.engines.runtimes.computing`); empty if there are no images.
    """

    rows: str
    images: int
    excluded: list[tuple[str, str]]
    doubtful: list[str]
    called: list[int] | None
    whole: int
    computing: str = ""


@dataclass
class Totals:
    """Counts over all chunks.

    Attributes:
        images: That were scored.
        excluded: That were not.
        doubtful: Names of those that were scored and are in doubt.
        called: How often each finding is called; None if no thresholds are kept beside the weights.
        whole: Number of images whose lungs were not found.
        first_error: Of the images that were not scored.
        computing: What computed the network; machines of a cluster may differ.
    """

    images: int = 0
    excluded: int = 0
    doubtful: list[str] = field(default_factory=list)
    called: list[int] | None = None
    whole: int = 0
    first_error: str = ""
    computing: set[str] = field(default_factory=set)

    def add(self, result: ChunkResult) -> None:
        """Count a chunk."""
        self.images += result.images
        self.excluded += len(result.excluded)
        self.doubtful += result.doubtful
        self.whole += result.whole
        self.computing |= {result.computing} - {""}
        if result.called is not None:
            before = self.called or [0] * len(result.called)
            self.called = [sum(pair) for pair in zip(before, result.called, strict=True)]
        if result.excluded and not self.first_error:
            self.first_error = result.excluded[0][1]

    def require_images(self, folder: Path) -> None:
        """Raise if no image could be scored.

        Raises:
            ValueError: Names ``excluded.csv`` in the folder, and the first error.
        """
        if not self.images:
            raise ValueError(
                f"none of {self.excluded} files is a radiograph to be scored; each is named with the reason in "
                f"{folder / EXCLUDED}, the first: {self.first_error}"
            )

    def tell(self, findings: Sequence[str], folder: Path) -> None:
        """Log what was scored, left out, called and doubted, and the folder of the tables."""
        logger.info(f"{self.images} radiographs scored, {self.excluded} files left out (excluded.csv)")
        if self.called is not None:
            counts = ", ".join(f"{name} {count}" for name, count in zip(findings, self.called, strict=True))
            logger.info(f"called at the thresholds that validation chose: {counts}")
        else:
            logger.warning("no thresholds are kept beside the weights: nothing is called")
        if self.doubtful:
            logger.warning(
                f"{len(self.doubtful)} of them hardly look like frontal radiographs of the chest, or their "
                "lungs are in doubt (doubtful.csv)"
            )
        if self.computing:
            level = logging.INFO if len(self.computing) == 1 else logging.WARNING
            logger.log(level, f"the network was computed by {', and by '.join(sorted(self.computing))}")
        if self.whole:
            logger.info(f"no lungs found, whole image used: {self.whole} radiographs")
        logger.info(f"Results are in {folder}.")


def write_excluded(path: Path, excluded: Iterable[Sequence[str]]) -> None:
    """Write which images could not be read, and why."""
    with opened_whole(path) as file:
        writer = csv.writer(file)
        writer.writerow(EXCLUDED_COLUMNS)
        writer.writerows(map(safe_row, excluded))


def write_doubtful(folder: Path, names: Sequence[str]) -> None:
    """Write which radiographs were scored though they hardly look like what is wanted; no file if there are none."""
    if names:
        with opened_whole(folder / DOUBTFUL) as file:
            csv.writer(file).writerows([("image",), *(safe_row([name]) for name in names)])
