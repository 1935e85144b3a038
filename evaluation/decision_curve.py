"""Decision curves: is it better to act on the model than on everybody, or on nobody?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, Counts, FindingResult, FloatArray, Interval
from evaluation.known_cases import KnownCases
from evaluation.patient_deviations import mean_deviation_interval

THRESHOLDS = tuple(k / 100 for k in range(1, 100))


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit of acting on the cases whose probability reaches a threshold.

    Attributes:
        threshold: The probability from which a finding is worth acting on.
        model: True positives less weighted false positives, per case; the weight is the threshold's odds.
        treat_all: The same if every case is acted on.
        gain: model - treat_all. Acting on nobody has a net benefit of 0, so that ``model`` is the gain over that.
        counts: Present, absent and unknown cases.
    """

    threshold: float
    model: Interval
    treat_all: Interval
    gain: Interval
    counts: Counts

    @property
    def result(self) -> FindingResult:
        """The model's net benefit with the cases behind it."""
        return FindingResult.of(self.model, self.counts)


def decision_curve(
    probability: ArrayLike,
    label: ArrayLike,
    patient: ArrayLike | None = None,
    thresholds: ArrayLike = THRESHOLDS,
    level: float = 0.95,
) -> list[NetBenefit]:
    """Net benefit at each threshold probability, with Student's interval over the effective number of patients.

    The threshold says how the harm of acting in vain compares with the benefit of acting rightly: at 0.1, nine absent
    cases may be acted on for one that is present. The model is worth using at the thresholds where its net benefit is
    above 0 and above that of acting on everybody. It assumes calibrated probabilities and the share present of these
    cases.

    Source: Vickers and Elkin, "Decision curve analysis", Medical Decision Making 26, 2006.

    Example:
        >>> (point,) = decision_curve([0.9, 0.6, 0.4, 0.1], [1, 0, 1, 0], thresholds=[0.2])
        >>> point.model.value, point.treat_all.value  # (2 - 1 / 4) / 4 and (2 - 2 / 4) / 4
        (0.4375, 0.375)

    Args:
        probability: (N,) in [0, 1].
        label: (N,) 1 present, 0 absent, negative or NaN unknown (left out and counted).
        patient: (N,) or None; the cases of a patient are taken together.
        thresholds: (T,) between 0 and 1.
        level: Confidence.

    Returns:
        T points; NaN without known cases, NaN limits if nothing shows how patients vary.

    Raises:
        ValueError: As ``brier_score``, or a threshold is not between 0 and 1.
    """
    cases = KnownCases.of_probabilities(probability, label, patient)
    at = np.asarray(thresholds, dtype=np.float64).ravel()
    odd = at[~((at > 0) & (at < 1))]
    if odd.size:
        raise ValueError(f"a threshold of a decision curve lies between 0 and 1, not at {odd[0]}")
    return [_benefit(cases, threshold, level) for threshold in at.tolist()]


def _benefit(cases: KnownCases, threshold: float, level: float) -> NetBenefit:
    worth = np.where(cases.present, 1.0, -threshold / (1 - threshold))
    acted = cases.values >= threshold
    of_everybody = (worth * acted, worth, worth * (acted - 1.0))
    model, treat_all, gain = (_mean(each, cases, level) for each in of_everybody)
    return NetBenefit(threshold, model, treat_all, gain, cases.counts)


def _mean(worth: FloatArray, cases: KnownCases, level: float) -> Interval:
    return mean_deviation_interval(float(worth.mean()), worth, cases, level) if worth.size else UNDEFINED
