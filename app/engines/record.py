"""What must be known beside a network's weights to use them rightly: ``model.json`` next to ``model.pt``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.engines.outputs import Outputs, studies_of
from app.files.atomic import write_whole
from app.files.records import read_record
from evaluation.logits import logit_of, probability
from evaluation.operating import youden_threshold
from evaluation.overlap import best_threshold_of_aggregate, best_threshold_of_mean

logger = logging.getLogger(__name__)

DEFAULT_THRESHOLD = 0.5
HIGHEST_SCORE = 1 - 2.0**-25
"""From here on a float32 probability is 1, as thresholds of saturated scores were in records from before logits."""
TRAINING, VALIDATION = "training", "validation"
RECORD = "a record of a model's settings and thresholds"


@dataclass(frozen=True)
class ModelRecord:
    """What weights were trained for, and the thresholds that validation chose for them.

    Attributes:
        findings: names, in the network's order.
        settings: those that the network and the preparation of its input depend on.
        score_thresholds: by finding; at least this probability is called present (Youden's point on validation).
        map_thresholds: by finding; at least this probability is called "here" (highest mean Dice on validation).
        aggregate_thresholds: by finding; the same for Dice aggregated over all images, with the finding or without
            (highest on validation). Where a record is older than this, ``map_thresholds`` again.
        logit_thresholds: the logits of ``score_thresholds``, which are what is applied: near 1 a probability tells
            nothing apart. Where a record is older than this, they are computed.
        study_thresholds: the same for the highest score of a study's images, in logits; none where validation had no
            study of several images, or the record is older than this.
        chosen_on: what the thresholds were chosen on: ``data`` (a name), ``split`` (its fingerprint) and ``section``;
            nothing where it is not known.
        validation: what chose the epoch: its number and its key metric on validation, as in ``{"auc": 0.9, "epoch":
            7}``. A grid search chooses among runs by it; nothing else reads it.
    """

    findings: tuple[str, ...]
    settings: dict[str, Any]
    score_thresholds: tuple[float, ...]
    map_thresholds: tuple[float, ...]
    aggregate_thresholds: tuple[float, ...] = ()
    logit_thresholds: tuple[float, ...] = ()
    study_thresholds: tuple[float, ...] = ()
    chosen_on: Mapping[str, str] = field(default_factory=dict)
    validation: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.aggregate_thresholds:
            object.__setattr__(self, "aggregate_thresholds", self.map_thresholds)
        if not self.logit_thresholds:
            logits = logit_of(np.minimum(self.score_thresholds, HIGHEST_SCORE))
            object.__setattr__(self, "logit_thresholds", tuple(logits.tolist()))

    def of_studies(self) -> ModelRecord:
        """The record with the thresholds of scores that studies go by; itself where there are none."""
        if not self.study_thresholds:
            return self
        scores = tuple(probability(self.study_thresholds).tolist())
        return replace(self, score_thresholds=scores, logit_thresholds=self.study_thresholds)

    def write(self, checkpoint: Path) -> Path:
        """Write beside the checkpoint."""
        path, content = checkpoint.with_suffix(".json"), asdict(self)
        if not np.isfinite(self.logit_thresholds).all():  # of a probability of 0, which says it in JSON
            del content["logit_thresholds"]
        write_whole(path, json.dumps(content, indent=2) + "\n")
        return path

    def require_complete(self) -> None:
        """Raise where there is not one finite threshold of each kind for every finding.

        Raises:
            ValueError: names the kind and what is there; also where the two forms of the scores' thresholds differ.
        """
        kinds = ["score_thresholds", "map_thresholds", "aggregate_thresholds", "logit_thresholds"]
        for kind in [*kinds, "study_thresholds"] if self.study_thresholds else kinds:
            values = getattr(self, kind)
            is_number = ~np.isnan(values) if kind == "logit_thresholds" else np.isfinite(values)
            if len(values) != len(self.findings) or not is_number.all():
                raise ValueError(f"{kind} {list(values)} for {len(self.findings)} findings")
        if not np.allclose(probability(self.logit_thresholds), self.score_thresholds, rtol=0, atol=1e-6):
            raise ValueError(
                f"logit_thresholds {list(self.logit_thresholds)} are not those of score_thresholds "
                f"{list(self.score_thresholds)}: where one was changed, leave logit_thresholds out"
            )

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


def chosen_on(
    validation: Outputs,
    findings: Sequence[str],
    settings: dict[str, Any],
    samples: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, str] | None = None,
) -> ModelRecord:
    """The record with thresholds chosen on a validation pass; 0.5 where validation cannot tell.

    It cannot tell where it lacks present or absent cases, where it locates none, and where no threshold does better
    than to call nobody (scores that rank the wrong way round).

    Args:
        validation: what the pass left behind.
        findings: names, in the order of its scores.
        settings: see ``ModelRecord``.
        samples: what was evaluated, into which ``validation.index`` points; without them no threshold is chosen for
            studies.
        about: what the cases are; see ``ModelRecord.chosen_on``.
    """
    count = range(len(findings))
    logits = [youden_threshold(validation.logit[:, c], validation.label[:, c]) for c in count]
    maps = [best_threshold_of_mean(*validation.histograms(c)).threshold for c in count]
    aggregates = [_aggregate_threshold(validation, c) for c in count]
    _tell_defaults(findings, validation, logits, maps)
    applied = _or_default(logits, float(logit_of(DEFAULT_THRESHOLD)))
    return ModelRecord(
        findings=tuple(findings),
        settings=settings,
        score_thresholds=tuple(probability(applied).tolist()),
        map_thresholds=_or_default(maps),
        aggregate_thresholds=_or_default(aggregates),
        logit_thresholds=applied,
        study_thresholds=_study_thresholds(validation, samples, applied),
        chosen_on=dict(about or {}),
    )


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
            logit_thresholds=tuple(map(float, content.get("logit_thresholds", ()))),
            validation=dict(content.get("validation", {})),
            study_thresholds=tuple(map(float, content.get("study_thresholds", ()))),
            chosen_on=dict(content.get("chosen_on", {})),
        )
        record.require_complete()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not {RECORD} ({error!r}). {remedy}") from error
    record.require(findings, settings, checkpoint)
    return record


def thresholds_told(record: ModelRecord, section: str, split: str) -> dict[str, str]:
    """What ``metrics.json`` says of the thresholds: on what they were chosen, and a warning where that flatters.

    Args:
        record: whose thresholds are applied.
        section: that is reported on.
        split: fingerprint of its datalist's split.
    """
    about = record.chosen_on
    of = f"the {about['section']} section of {about['data']}" if about else "cases that the record does not name"
    told = {"chosen_on": of}
    if about and about["split"] != split:
        return told
    if section == (about["section"] if about else VALIDATION):
        may = "were" if about else "may have been"
        measures = "sensitivity, specificity, precision, F1, accuracy and Dice"
        told["warning"] = (
            f"thresholds {may} chosen on the very cases of this {section} section, and so was the epoch: {measures} "
            "at them flatter the model. Report on cases that chose nothing, such as those of the test section."
        )
    elif section == TRAINING:
        told["warning"] = (
            "the weights were trained on the very cases of this training section: every measure flatters the model. "
            "Report on cases that it never saw, such as those of the test section."
        )
    return told


def _study_thresholds(
    validation: Outputs, samples: Sequence[Mapping[str, Any]], of_images: Sequence[float]
) -> tuple[float, ...]:
    """Youden's points of studies' highest logits; none where each has one image, those of images where none can be."""
    studies = studies_of([samples[i] for i in validation.index]) if samples else None
    if studies is None:
        return ()
    logit, label = studies.maximum(validation.logit), studies.label(validation.label)
    chosen = [youden_threshold(logit[:, c], label[:, c]) for c in range(logit.shape[1])]
    return tuple(float(one) if np.isfinite(one) else two for one, two in zip(chosen, of_images, strict=True))


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


def _or_default(thresholds: Sequence[float], default: float = DEFAULT_THRESHOLD) -> tuple[float, ...]:
    return tuple(float(value) if np.isfinite(value) else default for value in thresholds)
