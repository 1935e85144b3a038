"""What a pilot says about learning curves: draws from the posterior, and from them metrics with their uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import expit, logit

from app.planning.learning_curves import FORMS, Array, Curves

DRAWS = 400
"""Draws of each form."""
_WALKERS = 64
_STEPS = 400
_STARTS = 3


@dataclass(frozen=True)
class Prior:
    """What is believed before the pilot; each pair is the mean and standard deviation of a normal distribution.

    Attributes:
        ceiling: Of the quality without end of images, as a logit.
        exponent: Log of the curves' exponent.
        scale: Mean over levels of the log efficiency; wide, because nobody knows beforehand where on its curve a pilot
            lies.
        efficiency: Standard deviation of a level's log efficiency around that mean.
        deviation: Standard deviation of a level's ceiling around the common one.
        half_located: Log of the located images, in multiples of the pilot's scale, with which half of a located
            measure is reached when image-level labels do the rest.
        misfit: Standard deviation, as a logit, of the truth around these curves.
        growth: By how much the misfit grows when the number of images grows e-fold beyond the pilot's largest.
    """

    ceiling: tuple[float, float] = (2.2, 0.55)
    exponent: tuple[float, float] = (-0.1, 0.28)
    scale: tuple[float, float] = (-1.0, 1.5)
    efficiency: float = 1.0
    deviation: float = 0.15
    half_located: tuple[float, float] = (-2.0, 1.0)
    misfit: float = 0.045
    growth: float = 0.02

    def whitened(self, curves: Curves) -> tuple[Array, Array]:
        """Mean (parameters,) and root of the covariance (parameters, parameters) of the curves' vector."""
        levels = curves.levels
        mean = np.zeros(len(curves.names))
        covariance = np.zeros((len(mean), len(mean)))
        mean[0], covariance[0, 0] = self.exponent[0], self.exponent[1] ** 2
        efficiencies = slice(1, 1 + levels)
        mean[efficiencies] = self.scale[0]
        covariance[efficiencies, efficiencies] = self.scale[1] ** 2 + self.efficiency**2 * np.eye(levels)
        mean[1 + levels], covariance[1 + levels, 1 + levels] = self.ceiling[0], self.ceiling[1] ** 2
        deviations = slice(2 + levels, 2 + 2 * levels)
        covariance[deviations, deviations] = self.deviation**2 * np.eye(levels)
        if curves.located is not None:
            mean[-1], covariance[-1, -1] = self.half_located[0], self.half_located[1] ** 2
        return mean, np.asarray(np.linalg.cholesky(covariance), dtype=float)


AUC_PRIOR = Prior()
OVERLAP_PRIOR = Prior(ceiling=(-0.1, 0.5), exponent=(0.25, 0.25))
"""For Dice, IoU and the like: ceilings about one half, and steeper curves."""


class Posterior:
    """Draws of the learning curves, given the pilot.

    The posterior is sampled by emcee's affine-invariant ensemble, form by form; the same input gives the same draws.

    Args:
        curves: The levels.
        sizes: (cells, levels), images of each level in each cell of the pilot.
        quality: (cells,), the mean over seeds.
        error: (cells,), the standard error of that mean.
        prior: What is believed before.
        seed: Seed of the draws.

    Example:
        >>> sizes = np.array([[250.0], [500.0], [1000.0], [2000.0]])
        >>> quality, error = np.array([0.33, 0.5, 0.67, 0.8]), np.full(4, 0.02)
        >>> posterior = Posterior(Curves(1, 700.0), sizes, quality, error, AUC_PRIOR)
        >>> lower, middle, upper = np.quantile(posterior.quality(np.array([[4000.0]])), (0.05, 0.5, 0.95))
        >>> bool(0.75 < lower < middle < upper < 1)
        True
    """

    def __init__(self, curves: Curves, sizes: Array, quality: Array, error: Array, prior: Prior, seed: int = 0) -> None:
        self.curves = curves
        self.prior = prior
        self._data = sizes, quality, error
        self._mean, self._root = prior.whitened(curves)
        random = np.random.default_rng(seed)
        self.parameters = {form: self._draws(form, random) for form in FORMS}
        self._shift = {form: random.standard_normal((DRAWS, curves.levels)) for form in FORMS}
        self._largest = sizes.sum(1).max()

    def quality(self, sizes: Array, every: int = 1) -> Array:
        """Quality with numbers of images, from every so many draws.

        Args:
            sizes: (plans, levels).
            every: 1 takes all draws, 4 a quarter.

        Returns:
            (draws, plans), with equally many draws of each form.
        """
        growth = np.log(np.maximum(sizes.sum(1) / self._largest, 1))
        spread = self.prior.misfit + self.prior.growth * growth
        drawn = [self._shifted(form, sizes, every, spread) for form in FORMS]
        return np.concatenate(drawn)

    def _shifted(self, form: str, sizes: Array, every: int, spread: Array) -> Array:
        """Quality by one form with the truth's distance from it, which differs by level.

        The distances of two plans are correlated by the cosine between their effective images: one where both consist
        of the same, zero where they share no level. Otherwise the misfit would vanish from every comparison of plans.
        """
        parameters = self.parameters[form][::every]
        shift = np.einsum("dpl,dl->dp", self.curves.direction(parameters, sizes), self._shift[form][::every])
        return expit(_logit(self.curves.quality(form, parameters, sizes)) + shift * spread)

    def _residuals(self, form: str, whitened: Array) -> tuple[Array, Array]:
        """For each vector: (draws, cells) of differences in standard deviations, and those deviations."""
        sizes, observed, error = self._data
        quality = self.curves.quality(form, self._mean + whitened @ self._root.T, sizes)
        deviation = np.hypot(error, self.prior.misfit * quality * (1 - quality))
        return (observed - quality) / deviation, deviation

    def _log_probability(self, whitened: Array, form: str) -> Array:
        residuals, deviation = self._residuals(form, whitened)
        return -0.5 * (whitened**2).sum(1) - 0.5 * (residuals**2).sum(1) - np.log(deviation).sum(1)

    def _draws(self, form: str, random: np.random.Generator) -> Array:
        """(draws, parameters)."""
        import emcee

        best = min((self._mode(form, random, start) for start in range(_STARTS)), key=lambda result: result.cost)
        root = np.linalg.cholesky(np.linalg.inv(best.jac.T @ best.jac))  # the prior's rows keep this regular
        begin = best.x + 0.7 * random.standard_normal((_WALKERS, len(best.x))) @ root.T
        sampler = emcee.EnsembleSampler(*begin.shape, self._log_probability, args=(form,), vectorize=True)
        sampler.random_state = np.random.RandomState(random.integers(2**31)).get_state()
        sampler.run_mcmc(begin, _STEPS, skip_initial_state_check=True)
        kept = math.ceil(DRAWS / _WALKERS)
        chain = sampler.get_chain(discard=_STEPS // 2, thin=_STEPS // 2 // kept, flat=True)
        whitened = chain[random.permutation(len(chain))[:DRAWS]]
        return np.asarray(self._mean + whitened @ self._root.T)

    def _mode(self, form: str, random: np.random.Generator, start: int) -> OptimizeResult:
        begin = random.standard_normal(len(self._mean)) if start else np.zeros(len(self._mean))
        return least_squares(lambda x: np.concatenate([x, self._residuals(form, x[None])[0][0]]), begin, max_nfev=200)


def _logit(quality: Array) -> Array:
    return np.asarray(logit(np.clip(quality, 1e-9, 1 - 1e-9)))
