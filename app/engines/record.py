"""What must be known beside a network's weights to use them correctly: ``model.json`` next to ``model.pt``."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from app.checking.model_records import RECORD, REMEDY, record_path
from app.checking.operating_points import YOUDEN, ThresholdRule, threshold_rule
from app.engines.outputs import Outputs, studies_of
from app.files.atomic import write_whole
from app.files.own_json import read_record
from evaluation.logits import logit_of, probability
from evaluation.operating import threshold_at_sensitivity, threshold_at_specificity, youden_threshold
from evaluation.overlap import best_threshold_of_aggregate, best_threshold_of_mean
from evaluation.recalibration import Recalibration, recalibrated, recalibration_from

logger = logging.getLogger(__name__)

DEFAULT_THRESHOLD = 0.5
KINDS = ("score_thresholds", "map_thresholds", "aggregate_thresholds", "logit_thresholds")
"""Thresholds of every record, one per finding."""
TRAINING, VALIDATION = "training", "validation"
RECORDED = ("settings", "chosen_on", "validation", "training")
"""Mappings of the record."""


@dataclass(frozen=True)
class ModelRecord:
    """What weights were trained for, and the thresholds that validation chose for them.

    Older records lack the fields with a default.

    Attributes:
        findings: Names of the C findings, in the network's order.
        settings: Those on which the network, the preparation of its input and the reading of its maps depend, by id;
            see ``app.checking.weights``.
        score_thresholds: (C,) probabilities from which a finding is called present, by ``operating_point``.
        map_thresholds: (C,) probabilities from which a region is detected (highest mean Dice).
        aggregate_thresholds: (C,) the same for Dice aggregated over all images; by default ``map_thresholds``.
        logit_thresholds: (C,) logits of ``score_thresholds``. These are applied, since probabilities near 1 are tied.
        study_thresholds: (C,) logits for the highest score of a study's images; empty if every study had one image.
        operating_point: The rule that chose the thresholds of scores, as the setting says it; empty for an ensemble
            whose models followed several.
        chosen_on: The cases that chose the thresholds: ``data`` (a name), ``split`` (its fingerprint) and ``section``.
        validation: Key metric and number of the epoch that was kept, such as ``{"auc": 0.9, "epoch": 7}``, by which a
            sweep chooses among runs.
        training: How long was trained: ``epochs`` of ``max_epochs``, and if it ended early, ``stopped`` (why).
        bundle: Name of the bundle that trained the weights.
        version: Of the bundle.
        recalibration: (C,) forms that make right probabilities of logits; empty if scores are those of the network.

    Example:
        >>> record = ModelRecord(("Nodule",), {}, score_thresholds=(0.5,), map_thresholds=(0.25,))
        >>> record.logit_thresholds, record.aggregate_thresholds
        ((0.0,), (0.25,))
    """

    findings: tuple[str, ...]
    settings: dict[str, Any]
    score_thresholds: tuple[float, ...]
    map_thresholds: tuple[float, ...]
    aggregate_thresholds: tuple[float, ...] = ()
    logit_thresholds: tuple[float, ...] = ()
    study_thresholds: tuple[float, ...] = ()
    operating_point: str = YOUDEN
    chosen_on: Mapping[str, str] = field(default_factory=dict)
    validation: dict[str, float | None] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    bundle: str = ""
    version: str = ""
    recalibration: tuple[Recalibration, ...] = ()

    def __post_init__(self) -> None:
        if not self.aggregate_thresholds:
            object.__setattr__(self, "aggregate_thresholds", self.map_thresholds)
        if not self.logit_thresholds and self.recalibration:
            raise ValueError("logit_thresholds do not follow from score_thresholds that are recalibrated: add them")
        if not self.logit_thresholds:
            object.__setattr__(self, "logit_thresholds", tuple(logit_of(self.score_thresholds).tolist()))

    def calibrated(self, logit: ArrayLike) -> np.ndarray:
        """The logits of the scores (..., C) that the network's logits (..., C) stand for, as recalibrated."""
        return recalibrated(self.recalibration, logit)

    def of_studies(self) -> ModelRecord:
        """The record with the score thresholds of studies, if there are any."""
        if not self.study_thresholds:
            return self
        scores = tuple(probability(self.calibrated(self.study_thresholds)).tolist())
        return replace(self, score_thresholds=scores, logit_thresholds=self.study_thresholds)

    def of_findings(self, columns: Sequence[int]) -> ModelRecord:
        """The record of some of the findings, without thresholds of studies."""
        chosen: dict[str, Any] = {kind: tuple(getattr(self, kind)[c] for c in columns) for kind in ("findings", *KINDS)}
        forms = tuple(self.recalibration[c] for c in columns) if self.recalibration else ()
        return replace(self, **chosen, study_thresholds=(), recalibration=forms)

    def write(self, checkpoint: Path) -> Path:
        """Write the record beside a checkpoint, and return its path."""
        path, values = record_path(checkpoint), asdict(self)
        content = {name: values.pop(name) for name in ("bundle", "version") if values[name]} | values
        if not self.recalibration:
            del content["recalibration"]
        if not np.isfinite(self.logit_thresholds).all():  # JSON has no infinity; the probabilities are enough
            del content["logit_thresholds"]
        write_whole(path, json.dumps(content, indent=2) + "\n")
        return path

    def require_complete(self) -> None:
        """Raise unless there is one finite threshold of each kind for every finding.

        Raises:
            ValueError: Names the kind and its values, also if the two forms of score thresholds differ.
        """
        for kind in (*KINDS, "study_thresholds") if self.study_thresholds else KINDS:
            values = getattr(self, kind)
            is_number = ~np.isnan(values) if kind == "logit_thresholds" else np.isfinite(values)
            if len(values) != len(self.findings) or not is_number.all():
                raise ValueError(f"{kind} {list(values)} for {len(self.findings)} findings")
        if self.recalibration and len(self.recalibration) != len(self.findings):
            raise ValueError(f"{len(self.recalibration)} recalibrations for {len(self.findings)} findings")
        if not np.allclose(
            probability(self.calibrated(self.logit_thresholds)), self.score_thresholds, rtol=0, atol=1e-6
        ):
            raise ValueError(
                f"logit_thresholds {list(self.logit_thresholds)} are not those of score_thresholds "
                f"{list(self.score_thresholds)}: if you change one, leave logit_thresholds out"
            )

    def require(self, findings: Sequence[str], checkpoint: Path) -> None:
        """Raise if the weights were trained for other findings, even if they would fit.

        Raises:
            ValueError: Names both.
        """
        if tuple(findings) != self.findings:
            raise ValueError(
                f"{checkpoint} was trained for {', '.join(self.findings)}, not for {', '.join(findings)}, in this order"
            )


def choose_thresholds(
    validation: Outputs,
    findings: Sequence[str],
    settings: dict[str, Any],
    samples: Sequence[Mapping[str, Any]] = (),
    about: Mapping[str, str] | None = None,
    operating_point: str = YOUDEN,
) -> ModelRecord:
    """Choose thresholds on a validation pass.

    A threshold is 0.5 if validation lacks present or absent cases, locates none, or if no threshold does better than
    to call no case present (scores that rank the wrong way round).

    Args:
        validation: Results of the pass.
        findings: Names, in the order of its scores.
        settings: See ``ModelRecord``.
        samples: What was validated, for thresholds of studies; ``validation.index`` points into it.
        about: See ``ModelRecord.chosen_on``.
        operating_point: Which thresholds of scores to choose; see ``app.checking.operating_points``.

    Raises:
        ValueError: There is no such rule.
    """
    count, rule = range(len(findings)), threshold_rule(operating_point)
    logits = [_chosen(rule, validation.logit[:, c], validation.label[:, c]) for c in count]
    maps = [best_threshold_of_mean(*validation.histograms(c)).threshold for c in count]
    aggregates = [_aggregate_threshold(validation, c) for c in count]
    _warn_of_defaults(findings, validation, logits, maps)
    applied = _or_default(logits, float(logit_of(DEFAULT_THRESHOLD)))
    return ModelRecord(
        findings=tuple(findings),
        settings=settings,
        score_thresholds=tuple(probability(applied).tolist()),
        map_thresholds=_or_default(maps),
        aggregate_thresholds=_or_default(aggregates),
        logit_thresholds=applied,
        study_thresholds=_study_thresholds(validation, samples, applied, rule),
        operating_point=operating_point,
        chosen_on=dict(about or {}),
    )


def record_of(checkpoint: Path, findings: Sequence[str]) -> ModelRecord:
    """Read the record beside a checkpoint and check that it fits; without one, thresholds are 0.5.

    Raises:
        ValueError: The weights were trained for other findings, or the record is damaged.
    """
    path = record_path(checkpoint)
    if not path.is_file():
        logger.warning(f"{path} is missing: thresholds chosen on validation are not known, 0.5 is used instead")
        unknown = (DEFAULT_THRESHOLD,) * len(findings)
        return ModelRecord(tuple(findings), {}, unknown, unknown)
    content = read_record(path, RECORD, REMEDY)
    try:
        kinds = [kind for kind in (*KINDS, "study_thresholds") if kind in content]
        values: dict[str, Any] = {kind: tuple(map(float, content[kind])) for kind in kinds}
        values |= {name: dict(content[name]) for name in RECORDED if name in content}
        values |= {name: str(content[name]) for name in ("bundle", "version", "operating_point") if name in content}
        values["recalibration"] = tuple(map(recalibration_from, content.get("recalibration", ())))
        record = ModelRecord(findings=tuple(content["findings"]), **values)
        record.require_complete()
        threshold_rule(record.operating_point)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not {RECORD} ({error!r}). {REMEDY}") from error
    record.require(findings, checkpoint)
    return record


def threshold_facts(record: ModelRecord, section: str, split: str) -> dict[str, str]:
    """What ``metrics.json`` says about the thresholds: the cases that chose them, and a warning if that flatters.

    Args:
        record: Its thresholds are applied.
        section: The reported section.
        split: Fingerprint of its datalist's split.
    """
    about = record.chosen_on
    cases = f"the {about['section']} section of {about['data']}" if about else "cases that the record does not name"
    rules = threshold_rule(record.operating_point).words if record.operating_point else "other rules for each model"
    facts = {"chosen_on": cases, "chosen_for": rules}
    if about and about["split"] != split:
        return facts
    if section == (about["section"] if about else VALIDATION):
        may = "were" if about else "may have been"
        measures = "sensitivity, specificity, precision, F1, accuracy and Dice"
        facts["warning"] = (
            f"thresholds {may} chosen on the very cases of this {section} section, and so was the epoch: {measures} "
            "at them flatter the model. Report on cases that chose nothing, such as those of the test section."
        )
    elif section == TRAINING:
        facts["warning"] = (
            "the weights were trained on the very cases of this training section: every measure flatters the model. "
            "Report on cases that it never saw, such as those of the test section."
        )
    return facts


def _study_thresholds(
    validation: Outputs, samples: Sequence[Mapping[str, Any]], of_images: Sequence[float], rule: ThresholdRule
) -> tuple[float, ...]:
    """Thresholds of the studies' highest logits, those of images if undefined; empty if studies have one image."""
    studies = studies_of([samples[i] for i in validation.index]) if samples else None
    if studies is None:
        return ()
    logit, label = studies.maximum(validation.logit), studies.label(validation.label)
    chosen = [_chosen(rule, logit[:, c], label[:, c]) for c in range(logit.shape[1])]
    return tuple(float(one) if np.isfinite(one) else two for one, two in zip(chosen, of_images, strict=True))


def _chosen(rule: ThresholdRule, logit: np.ndarray, label: np.ndarray) -> float:
    """The threshold of one finding (N,) that a rule chooses; NaN or infinite if it chooses none."""
    if rule.measure == "sensitivity":
        return threshold_at_sensitivity(logit, label, rule.share)
    if rule.measure == "specificity":
        threshold = threshold_at_specificity(logit, label, rule.share)
        # Only calling no validation case spares enough: just above the highest of them.
        return (
            threshold if np.isnan(threshold) else min(threshold, float(np.nextafter(logit[label >= 0].max(), np.inf)))
        )
    return youden_threshold(logit, label)


def _aggregate_threshold(validation: Outputs, finding: int) -> float:
    """NaN if no threshold gives any overlap."""
    best = best_threshold_of_aggregate(*validation.histograms(finding))
    return best.threshold if best.dice > 0 else float("nan")


def _warn_of_defaults(
    findings: Sequence[str], validation: Outputs, scores: Sequence[float], maps: Sequence[float]
) -> None:
    """Warn of each finding for which no threshold could be chosen; of maps only if locations were asked for."""
    for c, name in enumerate(findings):
        without = [] if np.isfinite(scores[c]) else ["scores"]
        if not np.isfinite(maps[c]) and len(validation.histograms(c)[0]):
            without.append("maps")
        if without:
            logger.warning(f"{name}: validation chose no threshold of {' and '.join(without)}; 0.5 is used instead")


def _or_default(thresholds: Sequence[float], default: float = DEFAULT_THRESHOLD) -> tuple[float, ...]:
    return tuple(float(value) if np.isfinite(value) else default for value in thresholds)
