"""What must be known beside a network's weights to use them rightly: ``model.json`` next to ``model.pt``."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.data.records import read_record
from app.data.whole import write_whole
from app.engines.outputs import Outputs
from evaluation.operating import youden_threshold
from evaluation.overlap import best_threshold_of_aggregate, best_threshold_of_mean

logger = logging.getLogger(__name__)

DEFAULT_THRESHOLD = 0.5
RECORD = "a record of a model's settings and thresholds"


@dataclass(frozen=True)
class ModelRecord:
    """What weights were trained for, and the thresholds that validation chose for them.

    Attributes:
        findings: names, in the network's order.
        settings: those that the network and the preparation of its input depend on.
        score_thresholds: by finding; at least this score is called present (Youden's point on validation).
        map_thresholds: by finding; at least this probability is called "here" (highest mean Dice on validation).
        aggregate_thresholds: by finding; the same for Dice aggregated over all images, with the finding or without
            (highest on validation). Where a record is older than this, ``map_thresholds`` again.
    """

    findings: tuple[str, ...]
    settings: dict[str, Any]
    score_thresholds: tuple[float, ...]
    map_thresholds: tuple[float, ...]
    aggregate_thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.aggregate_thresholds:
            object.__setattr__(self, "aggregate_thresholds", self.map_thresholds)

    def write(self, checkpoint: Path) -> Path:
        """Write beside the checkpoint."""
        path = checkpoint.with_suffix(".json")
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")
        return path

    def require_complete(self) -> None:
        """Raise where there is not one finite threshold of each kind for every finding.

        Raises:
            ValueError: names the kind and what is there.
        """
        for kind in ("score_thresholds", "map_thresholds", "aggregate_thresholds"):
            values = getattr(self, kind)
            if len(values) != len(self.findings) or not np.isfinite(values).all():
                raise ValueError(f"{kind} {list(values)} for {len(self.findings)} findings")

    def require(self, findings: Sequence[str], settings: dict[str, Any], checkpoint: Path) -> None:
        """Raise where the weights were trained for other findings or with other settings.

        Weights of both forms of a network may fit by name and shape and yet mean something else.

        Raises:
            ValueError: names each difference.
        """
        differences = []
        if tuple(findings) != self.findings:
            differences.append(f"findings {', '.join(self.findings)}, not {', '.join(findings)}")
        for name in sorted(self.settings.keys() & settings.keys()):
            if self.settings[name] != settings[name]:
                differences.append(f"{name} {self.settings[name]}, not {settings[name]}")
        if differences:
            raise ValueError(f"{checkpoint} was trained with {'; '.join(differences)}. Use it with its own settings.")


def chosen_on(validation: Outputs, findings: Sequence[str], settings: dict[str, Any]) -> ModelRecord:
    """The record with thresholds chosen on a validation pass; 0.5 where validation cannot tell.

    It cannot tell where it lacks present or absent cases, where it locates none, and where no threshold does better
    than to call nobody (scores that rank the wrong way round).
    """
    count = range(len(findings))
    scores = [youden_threshold(validation.score[:, c], validation.label[:, c]) for c in count]
    maps = [best_threshold_of_mean(*validation.histograms(c)).threshold for c in count]
    aggregates = [_aggregate_threshold(validation, c) for c in count]
    _tell_defaults(findings, validation, scores, maps)
    return ModelRecord(tuple(findings), settings, *(_or_default(each) for each in (scores, maps, aggregates)))


def record_of(checkpoint: Path, findings: Sequence[str], settings: dict[str, Any]) -> ModelRecord:
    """The record beside a checkpoint, checked against what it is to be used for; thresholds of 0.5 without one.

    Raises:
        ValueError: the weights were trained for something else, or the record is damaged.
    """
    path = checkpoint.with_suffix(".json")
    if not path.is_file():
        logger.warning(f"{path} is missing: thresholds chosen on validation are not known, 0.5 is used instead")
        unknown = (DEFAULT_THRESHOLD,) * len(findings)
        return ModelRecord(tuple(findings), settings, unknown, unknown)
    remedy = (
        "Copy it again from where the weights come from, or train again; without the file, thresholds of 0.5 are used."
    )
    content = read_record(path, RECORD, remedy)
    try:
        record = ModelRecord(
            findings=tuple(content["findings"]),
            settings=dict(content["settings"]),
            score_thresholds=tuple(map(float, content["score_thresholds"])),
            map_thresholds=tuple(map(float, content["map_thresholds"])),
            aggregate_thresholds=tuple(map(float, content.get("aggregate_thresholds", ()))),
        )
        record.require_complete()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not {RECORD} ({error!r}). {remedy}") from error
    record.require(findings, settings, checkpoint)
    return record


def _aggregate_threshold(validation: Outputs, finding: int) -> float:
    """NaN where no threshold overlaps with anything."""
    best = best_threshold_of_aggregate(*validation.histograms(finding))
    return best.threshold if best.dice > 0 else float("nan")


def _tell_defaults(
    findings: Sequence[str], validation: Outputs, scores: Sequence[float], maps: Sequence[float]
) -> None:
    """Warn of each finding for which validation chose no threshold; of maps only where locations were asked for."""
    for c, name in enumerate(findings):
        without = [] if np.isfinite(scores[c]) else ["scores"]
        if not np.isfinite(maps[c]) and len(validation.histograms(c)[0]):
            without.append("maps")
        if without:
            logger.warning(f"{name}: validation chose no threshold of {' and '.join(without)}; 0.5 is used instead")


def _or_default(thresholds: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) if np.isfinite(value) else DEFAULT_THRESHOLD for value in thresholds)
