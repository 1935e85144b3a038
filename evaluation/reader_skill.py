"""How good each reader is when nobody knows the answer: Dawid and Skene's model of one finding.

A reader says of an image with the finding that it is present with a probability of their own (sensitivity), and of one
without that it is absent with another (specificity), whatever the others say. What all readers say of all images then
tells how good each of them is, and how probable the finding is in each image.

Images that the same readers read have a prevalence of their own, since images are seldom shared out at random: of
VinDr-CXR's, three radiologists read nearly all with findings, and seven read none. With one prevalence for all, those
seven would seem to miss what their images never had. The groups' prevalences come from one beta distribution, which is
fitted too, so that small groups borrow from the others.

The model cannot see what readers have in common: a lesion that all of them miss counts as absent, so sensitivities
come out too high. It needs three readers an image, as two do not determine it.

Source: Dawid and Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28, 1979, for two classes. Departures: these prevalences; a prior, without which a reader of few positives
would be perfect; and intervals, by Gibbs sampling of the posterior (Joseph, Gyorkos and Coupal, "Bayesian estimation of
disease prevalence and the parameters of diagnostic tests in the absence of a gold standard", American Journal of
Epidemiology 141, 1995).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import UNDEFINED, FloatArray, IntArray, Interval, checked_labels, require_dimensions
from evaluation.logits import probability

RIGHT, WRONG = 4, 1
"""Readings that each reader begins with, of present and of absent images: a prior of Beta(5, 2)."""
MEAN, WEIGHT = (-2.0, 3.0), (math.log(10), 1.5)
"""Normal priors, mean and deviation, of the groups' prevalence: of the logit of its mean, and of the logarithm of how
many images this mean counts for in each group."""
STEPS, TOLERANCE = 2000, 1e-6
"""A step has settled if no image's probability changes by more; it is given up after so many steps."""
ROUNDS = 30
"""How often the distribution of the groups' prevalences is fitted anew."""
CHAINS, WARM_UP, SWEEPS = 20, 50, 100
"""Chains of the sampler, all begun at the estimate, and how many sweeps of each are left out and used."""
_EDGE = 1e-12


@dataclass(frozen=True)
class ReaderSkill:
    """What the model says of R readers and N images.

    Attributes:
        probability: (N,) that the finding is present; NaN for an image of which nobody said present or absent.
        prevalence: Share of images with the finding.
        sensitivity: Of each reader; NaN throughout for one who said nothing.
        specificity: The same.
        read: (R,) number of images of which a reader said present or absent.
        present: (R,) expected number of images among those that have the finding.
        readers: (N,) number of readers who said present or absent of an image.
        converged: Whether the estimate settled.
    """

    probability: FloatArray
    prevalence: Interval
    sensitivity: tuple[Interval, ...]
    specificity: tuple[Interval, ...]
    read: IntArray
    present: FloatArray
    readers: IntArray
    converged: bool


def dawid_skene(readings: ArrayLike, level: float = 0.95, seed: int = 0) -> ReaderSkill:
    """Estimate readers' sensitivity and specificity, and the probability of a finding in each image.

    Estimates are the mode of the posterior, by EM from the share of readers who say present. Limits are quantiles of
    2,000 draws. Images count as independent, those of one patient too.

    Args:
        readings: (N, R), image by reader: 1 present, 0 absent; negative or NaN if the reader said neither.
        level: Confidence of the intervals.
        seed: Seed of the draws.

    Raises:
        ValueError: The shape is another, or a reading is neither 1, 0, negative nor NaN.

    Example:
        >>> skill = dawid_skene([[1, 1, 0]] * 30 + [[0, 0, 1]] * 60 + [[0, 0, 0]] * 10)
        >>> skill.probability[[0, -1]].round(2).tolist()
        [1.0, 0.0]
        >>> [round(each.value, 2) for each in skill.sensitivity]
        [0.97, 0.97, 0.11]
    """
    codes = checked_labels(readings).numbers().astype(np.int8)
    require_dimensions(codes, 2, "readings")
    # Sorted by who read first, so that the patterns of a group stand together.
    rows, row_of, counts = np.unique(np.hstack([codes >= 0, codes]), axis=0, return_inverse=True, return_counts=True)
    is_read, rows = np.hsplit(rows, 2)
    is_read = is_read.astype(bool)
    answers = is_read.sum(axis=1)
    images = np.where(answers > 0, counts, 0)
    begins = np.r_[True, (is_read[1:] != is_read[:-1]).any(axis=1)][: len(rows)]
    patterns = _Patterns((rows == 1) * 1.0, (rows == 0) * 1.0, images, np.cumsum(begins) - 1)
    known, rates, beta, converged = _estimate(patterns)
    prevalence, sensitivity, specificity = _limits(patterns, rates, beta, level, seed)
    of_present, _ = patterns.tallies(images * known)
    read = (images @ is_read).astype(np.int64)

    def intervals(values: FloatArray, limits: FloatArray) -> tuple[Interval, ...]:
        triples = zip(values.tolist(), limits.T.tolist(), read.tolist(), strict=True)
        # A mode may lie a little outside of two equal tails.
        return tuple(Interval(v, min(low, v), max(high, v)) if n else UNDEFINED for v, (low, high), n in triples)

    share = float(images @ known) / max(int(images.sum()), 1)
    return ReaderSkill(
        probability=np.where(answers > 0, known, np.nan)[row_of.ravel()],
        prevalence=Interval(share, *prevalence.tolist()) if read.any() else UNDEFINED,
        sensitivity=intervals(rates.sensitivity, sensitivity),
        specificity=intervals(rates.specificity, specificity),
        read=read,
        present=of_present.sum(axis=0),
        readers=answers[row_of.ravel()],
        converged=converged,
    )


class _Rates(NamedTuple):
    """Prevalence (..., G) in each group of images, and sensitivity and specificity (..., R)."""

    prevalence: FloatArray
    sensitivity: FloatArray
    specificity: FloatArray


class _Beta(NamedTuple):
    """Distribution of the groups' prevalences."""

    present: float
    absent: float


@dataclass(frozen=True)
class _Patterns:
    """Images of which the same readers said the same, counted together: K patterns of R readers.

    Attributes:
        says_present: (K, R), 1 or 0.
        says_absent: (K, R), 1 or 0.
        images: (K,) how many there are of each; 0 for that of which nobody said anything.
        group: (K,) number of the group of images that the same readers read; groups stand together.
    """

    says_present: FloatArray
    says_absent: FloatArray
    images: IntArray
    group: IntArray

    def probability(self, rates: _Rates) -> FloatArray:
        """(..., K) that the finding is present, by Bayes' rule."""
        prevalence, sensitivity, specificity = rates
        odds = (np.log(prevalence) - np.log1p(-prevalence))[..., self.group]
        odds = odds + (np.log(sensitivity) - np.log1p(-specificity)) @ self.says_present.T
        return probability(odds + (np.log1p(-sensitivity) - np.log(specificity)) @ self.says_absent.T)

    def by_group(self, images: ArrayLike) -> FloatArray:
        """Sums (..., G) of (..., K) images."""
        begins = np.flatnonzero(np.diff(self.group, prepend=-1))
        return np.asarray(np.add.reduceat(np.asarray(images, dtype=np.float64), begins, axis=-1))

    def tallies(self, present: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Right and wrong readings (2, ..., R), of present and of absent images, if (..., K) images are present."""
        absent = self.images - present
        return (
            np.stack([present @ self.says_present, present @ self.says_absent]),
            np.stack([absent @ self.says_absent, absent @ self.says_present]),
        )


def _estimate(patterns: _Patterns) -> tuple[FloatArray, _Rates, _Beta, bool]:
    """Probabilities (K,), rates, the distribution of prevalences, and whether all settled."""
    answers = patterns.says_present.sum(axis=1) + patterns.says_absent.sum(axis=1)
    known = np.where(answers > 0, patterns.says_present.sum(axis=1) / np.maximum(answers, 1), 0.5)
    for _ in range(ROUNDS):
        before = known
        beta = _fitted_beta(patterns.by_group(patterns.images * known), patterns.by_group(patterns.images))
        known, rates, settled = _maximised(patterns, known, beta)
        if settled and np.abs(known - before).max(initial=0) < ROUNDS * TOLERANCE:
            return known, rates, beta, True
    return known, rates, beta, False


def _maximised(patterns: _Patterns, known: FloatArray, beta: _Beta) -> tuple[FloatArray, _Rates, bool]:
    """Expectation maximisation from probabilities (K,), for one distribution of prevalences."""
    images = patterns.by_group(patterns.images)
    for _ in range(STEPS):
        present = patterns.images * known
        positive, negative = patterns.tallies(present)
        rates = _Rates(
            (patterns.by_group(present) + beta.present) / (images + sum(beta)),
            (positive[0] + RIGHT) / (positive.sum(axis=0) + RIGHT + WRONG),
            (negative[0] + RIGHT) / (negative.sum(axis=0) + RIGHT + WRONG),
        )
        before, known = known, patterns.probability(rates)
        if np.abs(known - before).max(initial=0) < TOLERANCE:
            return known, rates, True
    return known, rates, False


def _fitted_beta(present: FloatArray, images: FloatArray) -> _Beta:
    """The distribution under which so many of each group's images are present, by its posterior mode."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    def loss(point: FloatArray) -> float:
        mean, weight = float(probability(point[:1])[0]), math.exp(point[1])
        beta = weight * mean, weight * (1 - mean)
        likelihood = betaln(present + beta[0], images - present + beta[1]) - betaln(*beta)
        priors = (
            ((value - middle) / spread) ** 2 for value, (middle, spread) in zip(point, (MEAN, WEIGHT), strict=True)
        )
        return float(sum(priors) / 2 - likelihood.sum())

    start = np.array([MEAN[0], WEIGHT[0]])
    mean, weight = minimize(loss, start, method="Nelder-Mead", bounds=[(-15, 15), (-7, 10)]).x
    share = float(probability(mean))
    return _Beta(math.exp(weight) * share, math.exp(weight) * (1 - share))


def _limits(
    patterns: _Patterns, start: _Rates, beta: _Beta, level: float, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower and upper limits (2,) of the prevalence, and (2, R) of the others, from the sampler's draws."""
    random = np.random.default_rng(seed)
    images = patterns.by_group(patterns.images)
    rates = _Rates(*(np.tile(each, (CHAINS, 1)) for each in start))
    draws: list[_Rates] = []
    for _ in range(WARM_UP + SWEEPS):
        present = random.binomial(patterns.images, patterns.probability(rates)).astype(np.float64)
        positive, negative = patterns.tallies(present)
        in_group = patterns.by_group(present)
        drawn = (
            random.beta(in_group + beta.present, images - in_group + beta.absent),
            random.beta(positive[0] + RIGHT + 1, positive[1] + WRONG + 1),
            random.beta(negative[0] + RIGHT + 1, negative[1] + WRONG + 1),
        )
        rates = _Rates(*(np.clip(each, _EDGE, 1 - _EDGE) for each in drawn))
        draws.append(rates)
    prevalence, sensitivity, specificity = (np.concatenate(each) for each in zip(*draws[WARM_UP:], strict=True))
    tails = [(1 - level) / 2, (1 + level) / 2]
    overall = prevalence @ images / max(images.sum(), 1)
    return np.quantile(overall, tails), np.quantile(sensitivity, tails, axis=0), np.quantile(specificity, tails, axis=0)
