"""How many labels of a finding are wrong, estimated from out-of-fold scores, with an interval.

Counting labels that the scores contradict counts far too many: where the classes overlap, right labels are contradicted
too. What tells wrong labels from overlap is where the share of present labels levels off: among the highest scores it
would reach 1, and among the lowest 0, if no label were wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from app.auditing.suspicion import standardised
from evaluation.cases import Interval
from evaluation.patients import patient_numbers
from evaluation.resampling import patient_weights

Array = NDArray[np.float64]

LEVEL = 0.9
BINS = 120
REPLICATES = 200
_RATES = np.linspace(-9, 2, 15)
"""Logits of twice an error rate; rates stay below one half, as otherwise present would mean absent."""
_NEGLIGIBLE = 1e-3
_PRIOR_MEAN, _PRIOR_SD = -1.4, 1.8
"""Of these logits: about one label in ten is wrong, and anything from one in two hundred to two in five is likely."""
_RIDGE = np.array([1e-6, 0.02, 0.15**-2])
"""Prior precision of a, b and c: c is 0 if both classes are normal with one deviation, and small otherwise."""


@dataclass(frozen=True)
class WrongLabels:
    """How many labels of one finding may be wrong.

    Attributes:
        draws: (R,) numbers drawn from the bagged posterior.
        value: The posterior mean.
    """

    draws: Array
    value: float

    @property
    def interval(self) -> Interval:
        """The mean with limits of 90%."""
        return interval_of(self.value, self.draws)


def interval_of(value: float, draws: Array) -> Interval:
    """A number with the limits of 90% of its draws."""
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(value, min(lower, value), max(upper, value))


def wrong_labels(score: Array, label: Array, patient: NDArray[np.str_], seed: int = 0) -> WrongLabels:
    """Estimate how many labels are wrong.

    A given label is present with probability e0 + (1 - e0 - e1) sigmoid(a + b x + c x^2), where x is the score, e0 the
    share of absent cases labelled present, and e1 that of present ones labelled absent. The number of wrong labels is
    averaged over a grid of e0 and e1, weighted by prior and likelihood.

    Source: the model is Copas, "Binary Regression Models for Contaminated Data" (1988); a, b and c are integrated by
    Laplace's method; the interval is of the posterior bagged over patients (Huggins and Miller, "Reproducible Model
    Selection Using Bagged Posteriors", 2023), which is rather too wide than too narrow.

    Args:
        score: (N,) out-of-fold scores, on a scale on which the classes are about normal, such as logits.
        label: (N,) 1 present, 0 absent.
        patient: (N,) names.
        seed: Seed of the bootstrap.
    """
    x, number = _binned(score)
    patients, index = patient_numbers(patient, len(score))
    cases, present = (np.zeros((patients, len(x))) for _ in range(2))
    np.add.at(cases, (index, number), 1)
    np.add.at(present, (index, number), label)
    weights = list(patient_weights(patients, REPLICATES, seed))
    drawn = tuple(np.concatenate([part.T @ counts for part in weights]) for counts in (cases, present))
    counts = cases.sum(axis=0), present.sum(axis=0)
    coarse = _Grid(x, counts, _RATES, _RATES)
    mass = coarse.posterior(*drawn).mean(axis=0).reshape(len(_RATES), len(_RATES))
    model = _Grid(x, counts, _narrowed(mass.sum(axis=0)), _narrowed(mass.sum(axis=1)))
    reached = model.posterior(*drawn).cumsum(axis=1) > np.random.default_rng(seed).random((REPLICATES, 1))
    everything = model.posterior(counts[0][None], counts[1][None])[0]
    return WrongLabels(model.wrong[reached.argmax(axis=1)], float(everything @ model.wrong))


def _narrowed(mass: Array) -> Array:
    """As many rates as ``_RATES``, over the range that has mass."""
    inside = np.flatnonzero(mass > _NEGLIGIBLE)
    first, last = max(inside[0] - 1, 0), min(inside[-1] + 1, len(_RATES) - 1)
    return np.linspace(_RATES[first], _RATES[last], len(_RATES))


class _Grid:
    """The model fitted at each pair of error rates of a grid of G, to labels counted in B bins of scores.

    Args:
        x: (B,) mean score of each bin.
        counts: (B,) labels, and present ones.
        e0: Logits of twice the share of absent cases labelled present.
        e1: The same for present cases labelled absent.
    """

    def __init__(self, x: Array, counts: tuple[Array, Array], e0: Array, e1: Array) -> None:
        cases, present = counts
        first, second = (each.ravel() for each in np.meshgrid(e0, e1))
        self.e0, self.e1 = expit(first) / 2, expit(second) / 2
        self.design = np.column_stack([np.ones_like(x), x, x * x - 1])
        self.prior = -((first - _PRIOR_MEAN) ** 2 + (second - _PRIOR_MEAN) ** 2) / (2 * _PRIOR_SD**2)
        share = np.clip(present.sum() / cases.sum(), 0.01, 0.99)
        self.weights = np.tile([float(logit(share)), 1.0, 0.0], (len(first), 1))
        for _ in range(30):
            gradient, curvature = self._slopes(cases, present)
            step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
            step *= np.minimum(1, 1.5 / np.maximum(np.abs(step).max(axis=1), 1e-12))[:, None]
            self.weights += step
            self.weights[:, 1] = np.maximum(self.weights[:, 1], 0)
            if np.abs(step).max() < 1e-3:
                break
        self.given, self.slope, truth = self._shares()
        self.log = np.log(self.given), np.log1p(-self.given)
        self.inverse = np.linalg.inv(curvature)
        self.prior -= (self.weights**2 @ _RIDGE) / 2 + np.linalg.slogdet(curvature)[1] / 2
        self.wrong = (self.e0[:, None] * (1 - truth) + self.e1[:, None] * truth) @ cases

    def posterior(self, cases: Array, present: Array) -> Array:
        """(R, G) weights of the grid for (R, B) counts, near the counts that the grid was fitted to."""
        log = present @ self.log[0].T + (cases - present) @ self.log[1].T + self.prior
        # To refit the weights to each replicate gains half of gradient' inverse gradient, to second order.
        per_bin = self.slope / (self.given * (1 - self.given))
        for number, part in enumerate(present[:, None, :] - cases[:, None, :] * self.given):
            gradient = (part * per_bin) @ self.design - self.weights * _RIDGE
            log[number] += np.einsum("gi,gij,gj->g", gradient, self.inverse, gradient) / 2
        share = np.exp(log - log.max(axis=1, keepdims=True))
        return share / share.sum(axis=1, keepdims=True)

    def _shares(self) -> tuple[Array, Array, Array]:
        """(G, B) share of given labels that are present, its slope over the linear predictor, and the true share."""
        truth = expit(self.weights @ self.design.T)
        room = (1 - self.e0 - self.e1)[:, None]
        return np.clip(self.e0[:, None] + room * truth, 1e-9, 1 - 1e-9), room * truth * (1 - truth), truth

    def _slopes(self, cases: Array, present: Array) -> tuple[Array, Array]:
        """Gradient (G, 3) and expected curvature (G, 3, 3) of the log posterior of the weights."""
        given, slope, _ = self._shares()
        variance = given * (1 - given)
        gradient = (slope * (present - cases * given) / variance) @ self.design - self.weights * _RIDGE
        curvature = np.einsum("gb,bi,bj->gij", cases * slope**2 / variance, self.design, self.design)
        return gradient, curvature + np.diag(_RIDGE)


def _binned(score: Array) -> tuple[Array, NDArray[np.intp]]:
    """The mean score of each of up to ``BINS`` bins of as many cases, and the bin of each case."""
    x = standardised(score)
    number = np.empty(len(x), dtype=np.intp)
    number[np.argsort(x, kind="stable")] = np.arange(len(x)) * min(BINS, len(x)) // len(x)
    return np.bincount(number, x) / np.bincount(number), number
