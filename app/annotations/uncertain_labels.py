"""What training makes of uncertain labels: policies that turn -1 into something else, or leave it out.

A policy changes the labels of the training samples, and nothing else: the loss then leaves out what is still negative
(equation 1 of Haghpanah), and validation and test, where nobody may decide for the reader, keep what was said. What
nobody said (-2) is another thing than a reader's doubt and stays as it is.

Sources: Irvin et al., "CheXpert", 2019, section 3.1 (ignoring, zeros, ones, self-training); Pham et al.,
"Interpreting chest X-rays via CNNs that exploit hierarchical disease dependencies and uncertainty labels", 2019,
section 3.3 (label smoothing of zeros and ones).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.findings import UNCERTAIN, require_known
from app.nearest import did_you_mean

Sample = dict[str, Any]

IGNORE = "ignore"
SELF_TRAINED = "self_trained"
RANGES: Mapping[str, tuple[float, float]] = {
    "zeros": (0.0, 0.0),
    "ones": (1.0, 1.0),
    "smoothed_zeros": (0.0, 0.3),
    "smoothed_ones": (0.55, 0.85),
}
"""Policies that put a number from a range in the place of every uncertain label, and their ranges."""
POLICIES = (IGNORE, *RANGES, SELF_TRAINED)

logger = logging.getLogger(__name__)


def settled(
    samples: Sequence[Sample],
    findings: Sequence[str],
    policy: str | Mapping[str, str] = IGNORE,
    predictions: str | Path | None = None,
    seed: int = 0,
) -> list[Sample]:
    """Training samples with their uncertain labels as a policy has them.

    - ``ignore`` (U-Ignore; the paper's): they stay uncertain, and so out of the loss.
    - ``zeros``, ``ones`` (U-Zeros, U-Ones): absent, present.
    - ``smoothed_zeros``, ``smoothed_ones``: a number drawn evenly from 0 to 0.3, or from 0.55 to 0.85, once a label.
    - ``self_trained`` (U-SelfTrained): the probability that a model trained with ``ignore`` gives them.

    Args:
        samples: as ``OpenedData.samples`` gives them; they are not changed.
        findings: names, in the order of the labels.
        policy: one for all findings, or one by finding; findings that are not named are ignored.
        predictions: of ``self_trained``: the ``predictions.csv`` that evaluating a model on the training section wrote.
        seed: of the draws.

    Returns:
        Samples of the same order, with new labels.

    Raises:
        FileNotFoundError: there are no such predictions.
        ValueError: an unknown policy or finding, ``self_trained`` without predictions or predictions without it, or
            predictions that lack an image or finding with an uncertain label.
    """
    chosen = _by_finding(findings, policy)
    if (SELF_TRAINED in chosen) != (predictions is not None):
        raise ValueError(
            f"policy {SELF_TRAINED!r} and predictions of a model on the training section belong together: give both "
            f"or neither, not {policy!r} and {predictions!r}"
        )
    label = np.stack([sample["label"] for sample in samples]).astype(np.float32)
    doubtful = label == UNCERTAIN
    filled = _filled(label, chosen, seed)
    if predictions is not None:
        columns = [c for c, name in enumerate(chosen) if name == SELF_TRAINED]
        score = _scores(Path(predictions), samples, findings, doubtful, columns)
        filled[:, columns] = np.where(doubtful[:, columns], score, filled[:, columns])
    _tell(findings, chosen, doubtful)
    return [{**sample, "label": values} for sample, values in zip(samples, filled, strict=True)]


def counted(samples: Sequence[Sample]) -> list[Sample]:
    """Samples whose certainties are decided: above 0.5 present, below absent, 0.5 uncertain.

    For evaluating on, as certainties can be learnt from but not counted; as NEATX decided (see
    ``app.annotations.several_readers.by_certainty``). Labels that are 1, 0 or negative stay.
    """
    return [{**sample, "label": _decided(np.asarray(sample["label"], dtype=np.float32))} for sample in samples]


def _decided(label: np.ndarray) -> np.ndarray:
    decided = np.select([label < 0, label > 0.5, label < 0.5], [label, 1, 0], default=UNCERTAIN)
    return decided.astype(np.float32)


def _by_finding(findings: Sequence[str], policy: str | Mapping[str, str]) -> list[str]:
    if isinstance(policy, Mapping):
        require_known(policy, findings, "policy for uncertain labels")
        chosen = [policy.get(name, IGNORE) for name in findings]
    else:
        chosen = [policy] * len(findings)
    for name in chosen:
        if name not in POLICIES:
            hint = did_you_mean(name, POLICIES)
            raise ValueError(f"policy for uncertain labels {name!r}: must be one of {', '.join(POLICIES)}.{hint}")
    return chosen


def _filled(label: np.ndarray, chosen: Sequence[str], seed: int) -> np.ndarray:
    filled = label.copy()
    generator = np.random.default_rng(seed)
    for c, name in enumerate(chosen):
        # Drawn for each finding whether or not it is smoothed, so that one finding's policy leaves the others alone.
        drawn = generator.random(len(label))
        if name in RANGES:
            low, high = RANGES[name]
            filled[:, c] = np.where(label[:, c] == UNCERTAIN, low + (high - low) * drawn, label[:, c])
    return filled


def _scores(
    path: Path, samples: Sequence[Sample], findings: Sequence[str], doubtful: np.ndarray, columns: Sequence[int]
) -> np.ndarray:
    """Predicted probabilities (N, columns); NaN where none is needed nor there."""
    from evaluation.predictions import read_predictions

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such predictions")
    table = read_predictions(path)
    require_known([findings[c] for c in columns], table.findings, str(path))
    row = {str(name): number for number, name in enumerate(table.image)}
    score = np.full((len(samples), len(columns)), np.nan)
    of_finding = [table.findings.index(findings[c]) for c in columns]
    for number, sample in enumerate(samples):
        at = row.get(sample["name"])
        if at is not None:
            score[number] = table.score[at, of_finding]
        elif doubtful[number, columns].any():
            raise ValueError(f"{path}: no prediction for {sample['name']}, which has an uncertain label")
    if np.nanmin(score, initial=0) < 0 or np.nanmax(score, initial=0) > 1:
        raise ValueError(f"{path}: scores are no probabilities from 0 to 1")
    return score


def _tell(findings: Sequence[str], chosen: Sequence[str], doubtful: np.ndarray) -> None:
    counts = [f"{name} {doubtful[:, c].sum()} ({chosen[c]})" for c, name in enumerate(findings) if doubtful[:, c].any()]
    if counts:
        logger.info(f"uncertain labels in training, and what is made of them: {', '.join(counts)}")
