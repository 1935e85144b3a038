"""Recalibration: from a network's logit to a probability that is right, fitted on validation cases.

Every form rises with the logit: ranks, areas and what a threshold calls stay as they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from evaluation.calibration_slope import overlaps
from evaluation.cases import BoolArray, FloatArray
from evaluation.known_cases import KnownCases
from evaluation.logistic import fit_logistic
from evaluation.logits import logit_of, logit_of_mean

METHODS = ("none", "temperature", "platt", "isotonic")
"""From the simplest form to the most flexible."""
FOLDS = 5
LEAST_PATIENTS = 20
"""Present patients, and absent ones, that a choice needs."""


class Recalibration(Protocol):
    """A form that rises with the logit."""

    @property
    def method(self) -> str:
        """One of `METHODS`."""

    def logits(self, logit: ArrayLike) -> FloatArray:
        """The logits of the recalibrated probabilities, of any shape."""


@dataclass(frozen=True)
class LogisticRecalibration:
    """A straight line on the logit scale: temperature scaling (without intercept), Platt's, or no recalibration.

    Source: Guo et al., "On calibration of modern neural networks", 2017, whose temperature is ``1 / slope``; Platt,
    "Probabilistic outputs for support vector machines", 1999.

    Example:
        >>> LogisticRecalibration("platt", slope=0.5, intercept=-1.0).logits([0.0, 4.0]).tolist()
        [-1.0, 1.0]
    """

    method: str = "none"
    slope: float = 1.0
    intercept: float = 0.0

    def logits(self, logit: ArrayLike) -> FloatArray:
        """See `Recalibration`."""
        return self.slope * np.asarray(logit, dtype=np.float64) + self.intercept


@dataclass(frozen=True)
class IsotonicRecalibration:
    """The share present as it rises with the logit: flat within blocks of cases, straight between them.

    Equal probabilities say nothing of ranks: rank by the logit that went in.

    Attributes:
        logit: (K,) rising; the ends of the blocks.
        probability: (K,) not falling, between 0 and 1.
    """

    logit: tuple[float, ...]
    probability: tuple[float, ...]
    method: str = "isotonic"

    def logits(self, logit: ArrayLike) -> FloatArray:
        """See `Recalibration`."""
        return logit_of(np.interp(np.asarray(logit, dtype=np.float64), self.logit, self.probability))


@dataclass(frozen=True)
class MeanRecalibration:
    """The mean of the probabilities that several forms give the same logit: for an ensemble of networks."""

    members: tuple[Recalibration, ...]
    method: str = "mean"

    def logits(self, logit: ArrayLike) -> FloatArray:
        """See `Recalibration`."""
        return logit_of_mean([member.logits(logit) for member in self.members])


@dataclass(frozen=True)
class Choice:
    """What was chosen for a finding, and why.

    Attributes:
        recalibration: The form.
        reason: In words.
        loss: Mean log loss by method, each case by a fit without its patient; empty if none was compared.
    """

    recalibration: Recalibration
    reason: str
    loss: dict[str, float]


def recalibrated(forms: Sequence[Recalibration], logit: ArrayLike) -> FloatArray:
    """The logits of recalibrated probabilities, finding by finding.

    Example:
        >>> recalibrated([LogisticRecalibration("temperature", 0.5)], [[2.0], [4.0]]).tolist()
        [[1.0], [2.0]]

    Args:
        forms: One for each of C findings, or none, which changes nothing.
        logit: (..., C).
    """
    values = np.asarray(logit, dtype=np.float64)
    if not forms:
        return values
    return np.stack([form.logits(values[..., c]) for c, form in enumerate(forms)], axis=-1)


def recalibration_from(content: Mapping[str, Any]) -> Recalibration:
    """The form that ``dataclasses.asdict`` made these plain values of.

    Example:
        >>> recalibration_from({"method": "temperature", "slope": 0.5, "intercept": 0.0}).logits(2.0).tolist()
        1.0

    Raises:
        ValueError: It does not rise, or is of no known form.
    """
    method = content.get("method")
    if method == "isotonic":
        logit, share = (np.array(content[name], dtype=np.float64) for name in ("logit", "probability"))
        is_rising = logit.size == share.size > 0 and (np.diff(logit) > 0).all() and (np.diff(share) >= 0).all()
        if is_rising and np.isfinite(logit).all() and share[0] > 0 and share[-1] < 1:
            return IsotonicRecalibration(tuple(logit.tolist()), tuple(share.tolist()))
    elif method in METHODS:
        slope, intercept = float(content["slope"]), float(content["intercept"])
        if 0 < slope < math.inf and math.isfinite(intercept):
            return LogisticRecalibration(str(method), slope, intercept)
    raise ValueError(f"recalibration {dict(content)} is none of {', '.join(METHODS)} that rises with the logit")


def fit_recalibration(method: str, logit: FloatArray, present: BoolArray) -> Recalibration | None:
    """Fit one form to known cases (N,); None if it has no rising fit.

    Temperature and Platt's form are fitted by maximum likelihood. Isotonic regression is fitted to Platt's targets,
    (present + 1) / (present + 2) and 1 / (absent + 2), instead of 1 and 0: no block of cases claims certainty.

    Example:
        >>> logit, present = np.array([-2.0, -2.0, -2.0, 2.0, 2.0, 2.0]), np.array([0, 0, 1, 0, 1, 1], dtype=bool)
        >>> fit = fit_recalibration("temperature", logit, present)
        >>> round(float(fit.logits(2.0)), 3)  # two of three are present
        0.693

    Raises:
        ValueError: There is no such method.
    """
    if method not in METHODS:
        raise ValueError(f"recalibration is one of {', '.join(METHODS)}, not {method!r}")
    if method == "none":
        return LogisticRecalibration()
    if not overlaps(logit, present) or not np.isfinite(logit).all():
        return None
    if method == "isotonic":
        return _isotonic(logit, present)
    columns = [logit] if method == "temperature" else [logit, np.ones(logit.size)]
    signed = np.where(present, logit, -logit)
    if method == "temperature" and not signed.min() < 0 < signed.max():
        return None  # zero separates the classes
    slope, *intercept = fit_logistic(np.column_stack(columns), present).tolist()
    return LogisticRecalibration(method, slope, *intercept) if slope > 0 else None


def choose_recalibration(
    logit: ArrayLike, label: ArrayLike, patient: ArrayLike | None = None, method: str = "best"
) -> Choice:
    """Choose a form on validation cases by cross-validated log loss, patients kept together.

    The simplest form is chosen whose loss is within one standard error (over patients) of the lowest one: a flexible
    form must be better by more than chance, and ``none`` stays if nothing helps.

    Source of the rule: Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3.

    Example:
        >>> random = np.random.default_rng(0)
        >>> logit = random.normal(0, 2, 400)
        >>> label = random.random(400) < 1 / (1 + np.exp(-0.3 * logit))
        >>> choose_recalibration(logit, label).recalibration.method
        'temperature'

    Args:
        logit: (N,) of validation cases.
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out).
        patient: (N,) or None if every case is a patient of its own.
        method: ``best``, or one of `METHODS`, which is then fitted without a comparison.

    Raises:
        ValueError: There is no such method.
    """
    cases = KnownCases.of(logit, label, patient)
    counts = cases.counts
    fewest = min(counts.present_patients, counts.absent_patients)
    if method != "best" and method not in METHODS:
        raise ValueError(f"recalibration is best or one of {', '.join(METHODS)}, not {method!r}")
    if method == "none":
        return Choice(LogisticRecalibration(), "not asked for", {})
    if fewest < LEAST_PATIENTS:
        reason = (
            f"{counts.present_patients} patients with and {counts.absent_patients} without the finding are too few: "
            f"{LEAST_PATIENTS} of each are needed"
        )
        return Choice(LogisticRecalibration(), reason, {})
    infinite = int(np.isinf(cases.values).sum())
    if infinite:
        return Choice(LogisticRecalibration(), f"{infinite} logits are infinite, and no form fits those", {})
    losses = {} if method != "best" else _losses(cases)
    chosen = method if method != "best" else _simplest(losses, cases)
    fit = fit_recalibration(chosen, cases.values, cases.present)
    mean = {name: float(loss.mean()) for name, loss in losses.items()}
    if fit is None:
        return Choice(LogisticRecalibration(), f"{chosen} has no rising fit to these cases", mean)
    reason = "asked for" if method != "best" else "the simplest within a standard error of the lowest log loss"
    return Choice(fit, reason, mean)


def _isotonic(logit: FloatArray, present: BoolArray) -> IsotonicRecalibration:
    from scipy.optimize import isotonic_regression

    values, index, weight = np.unique(logit, return_inverse=True, return_counts=True)
    high, low = (present.sum() + 1) / (present.sum() + 2), 1 / ((~present).sum() + 2)
    target = np.bincount(index, weights=np.where(present, high, low)) / weight
    fit = isotonic_regression(target, weights=weight)
    start, end = fit.blocks[:-1], fit.blocks[1:] - 1
    ends = np.unique(np.concatenate([start, end]))
    return IsotonicRecalibration(tuple(values[ends].tolist()), tuple(fit.x[ends].tolist()))


def _losses(cases: KnownCases) -> dict[str, FloatArray]:
    """The log loss of each case by method, from a fit without the patients of its fold; without methods that fail."""
    fold = _folds(cases)
    sign = np.where(cases.present, 1.0, -1.0)
    losses: dict[str, FloatArray] = {}
    for method in METHODS:
        loss = np.full(cases.values.size, np.nan)
        for k in range(FOLDS):
            fit = fit_recalibration(method, cases.values[fold != k], cases.present[fold != k])
            if fit is not None:
                loss[fold == k] = np.logaddexp(0.0, -(sign * fit.logits(cases.values))[fold == k])
        if np.isfinite(loss).all():
            losses[method] = loss
    return losses


def _folds(cases: KnownCases) -> FloatArray:
    """The fold of each case: patients with the finding and those without are dealt out in turn, in a fixed order."""
    has_finding = cases.sums(cases.present.astype(float)) > 0
    order = np.random.default_rng(0).permutation(cases.patients)
    order = order[np.argsort(~has_finding[order], kind="stable")]
    fold = np.empty(cases.patients)
    fold[order] = np.arange(cases.patients) % FOLDS
    return fold[cases.owner]


def _simplest(losses: dict[str, FloatArray], cases: KnownCases) -> str:
    """The first method whose loss is within one standard error of the lowest."""
    best = min(losses, key=lambda method: float(losses[method].mean()))
    for method in METHODS:
        if method not in losses:
            continue
        excess = losses[method] - losses[best]
        deviation = cases.sums(excess - excess.mean()) / excess.size
        if excess.mean() <= np.sqrt(np.square(deviation).sum()):
            return method
    return best
