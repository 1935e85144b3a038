"""DICOM results of an inference over a folder."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydicom.dataset import Dataset

from app.dicom.header import HeaderError, complete_header
from app.dicom.identity import Algorithm, file_hash
from app.dicom.kinds import Kind
from app.dicom.result import DetectedFinding, RadiographResult
from app.engines.maps import below
from app.engines.record import ModelRecord
from app.engines.scored_radiograph import ScoredRadiograph, parsed_names
from app.files.atomic import whole_file
from app.pages.numbers import counted
from evaluation.cells import safe_row

logger = logging.getLogger(__name__)

FOLDER = "dicom"
LEFT_OUT = "dicom_left_out.csv"
DECIDING = ("findings", "score_thresholds", "map_thresholds", "settings", "recalibration")
"""Fields of a record on which results depend."""


class DicomResults:
    """Writes the results of each DICOM radiograph as DICOM objects, into ``output_dir/dicom``.

    A finding is present if it is called, at the threshold that validation chose; hence weights need their record.

    Args:
        kinds: Out of ``sr`` (structured reports), ``seg`` (segmentation), ``gsps`` (presentation state), ``sc``
            (secondary capture) and ``plain_seg`` (segmentation without a geometry); empty for none.
        findings: C names, in the network's order.

    Attributes:
        algorithm: Who makes the results, from `begin` on.

    Raises:
        ValueError: A kind is unknown, or highdicom is not installed; the message says how to install it.
    """

    def __init__(self, kinds: Sequence[str], findings: Sequence[str]) -> None:
        unknown = [kind for kind in kinds if kind not in set(Kind)]
        if unknown:
            raise ValueError(f"dicom: unknown kind {unknown[0]!r}; allowed are {', '.join(Kind)}")
        self.kinds = tuple(dict.fromkeys(Kind(kind) for kind in kinds))
        if self.kinds:
            require_highdicom()
        self.is_wanted = bool(self.kinds)
        self.findings = parsed_names(findings)
        self._folder = Path()
        self.algorithm = Algorithm("", "", "")
        self._record = ModelRecord((), {}, (), ())
        self._written = 0
        self._left_out: list[tuple[str, str]] = []

    def begin(self, output_dir: Path, weights: Path, record: ModelRecord | None) -> None:
        """Identify the algorithm.

        Raises:
            ValueError: No thresholds are kept beside the weights.
        """
        if not self.kinds:
            return
        if record is None:
            raise ValueError(
                f"{weights}: no model.json beside it, hence no thresholds by which a finding is present or absent; "
                "DICOM results need them: take the weights with the record that training wrote"
            )
        self._folder, self.algorithm = output_dir / FOLDER, algorithm_of(weights, record)
        self._record, self._written, self._left_out = record, 0, []

    def write(self, radiograph: ScoredRadiograph) -> None:
        """Write all kinds for one radiograph; what cannot have any is counted."""
        if not self.kinds:
            return
        try:
            objects = self.objects(radiograph)
        except HeaderError as error:
            self._left_out.append((radiograph.name, str(error)))
            return
        for name, dataset in objects:
            path = below(self._folder, radiograph.name, f".{name}.dcm")
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                dataset.save_as(temporary, enforce_file_format=True)
        self._written += 1

    def objects(self, radiograph: ScoredRadiograph) -> list[tuple[str, Dataset]]:
        """The results of one radiograph, by names such as ``sr-1``; see `app.dicom.objects.dicom_objects`.

        Raises:
            HeaderError: Its header allows none.
        """
        from app.dicom.objects import dicom_objects

        header = complete_header(radiograph.path)
        return dicom_objects(header, self._result(radiograph), self.algorithm, self.kinds)

    def end(self) -> None:
        """Log how many radiographs have results, and write down which have none and why."""
        if not self.kinds:
            return
        written = counted(self._written, "radiograph")
        logger.info(f"DICOM results ({', '.join(self.kinds)}) of {written} are in {self._folder}")
        if self._left_out:
            path = self._folder.parent / LEFT_OUT
            with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("image", "reason"), *map(safe_row, self._left_out)])
            logger.warning(f"No DICOM results of {counted(len(self._left_out), 'radiograph')}; {path} says why")

    def _result(self, radiograph: ScoredRadiograph) -> RadiographResult:
        forms = self._record.recalibration
        findings = tuple(
            DetectedFinding(
                name=name,
                probability=float(radiograph.scores[c]),
                threshold=float(self._record.score_thresholds[c]),
                is_present=bool(radiograph.is_called[c]),
                mask=radiograph.maps[c] >= radiograph.map_thresholds[c] if radiograph.is_called[c] else None,
                is_calibrated=bool(forms) and forms[c].method != "none",
            )
            for c, name in enumerate(self.findings)
        )
        return RadiographResult(findings, radiograph.image, radiograph.meta["window"], radiograph.is_doubtful)


def algorithm_of(weights: Path, record: ModelRecord) -> Algorithm:
    """Identify weights with the settings that they are used with.

    Raises:
        OSError: The weights cannot be read.
    """
    values = asdict(record)
    settings = {name: values[name] for name in DECIDING}
    return Algorithm(record.bundle or "unnamed bundle", record.version, file_hash(weights), settings)


def require_highdicom() -> None:
    """Raise unless highdicom is installed.

    Raises:
        ValueError: Says how to install it.
    """
    from importlib.util import find_spec

    if find_spec("highdicom") is None:
        raise ValueError("DICOM results need highdicom: pip install 'frugal-cxr[deploy]'")
