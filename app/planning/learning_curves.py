"""Learning curves of several annotation levels together: how good a network becomes with so many images of each.

All levels share one exponent; each has an efficiency (what one of its images is worth) and its own small deviation from
a common ceiling. With ``n`` images of each level, efficiencies ``r``, and ``n0`` the scale of the pilot::

    e = r * n / n0          effective images by level
    x = sum(e)              and in all
    a = a0 + sum(e / x * deviation)      the ceiling, as a logit

and the quality is one of four forms, all of which begin at no skill without images::

    hill        sigmoid(a) * x^d / (1 + x^d)
    weibull     sigmoid(a) * (1 - exp(-x^d))
    lognormal   sigmoid(a) * Phi(d * log(x) / 1.6)
    power       logit(quality) = a - x^-d

Quality is 2 AUC - 1 for an area under the ROC curve, and the value itself for Dice and other measures from 0 to 1.
For a located measure the ceiling comes from located levels alone, and the quality is multiplied by
``n_located / (n_located + h)``: image-level labels add to locations, and give none alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LOGNORMAL_WIDTH = 1.6
"""Gives the lognormal form the slope of the Hill form where half of the ceiling is reached, for the same exponent."""
_SMALLEST = 1e-300


class Curves:
    """The four forms for a number of levels, as functions of a vector of parameters.

    The vector holds: log of the exponent, log of each level's efficiency, the common ceiling, each level's deviation
    from it, and, if there is a ``located`` level among others, the log of ``h / n0``.

    Args:
        located: For each level, whether its images say where a finding is; None if the measure does not ask for it.
        scale: ``n0``, in images.
    """

    def __init__(self, levels: int, scale: float, located: tuple[bool, ...] | None = None) -> None:
        self.levels = levels
        self.scale = scale
        self.located = None if located is None or all(located) else np.array(located)

    @property
    def names(self) -> tuple[str, ...]:
        """What each parameter is.

        Example:
            >>> Curves(2, scale=1000.0).names
            ('exponent', 'efficiency 0', 'efficiency 1', 'ceiling', 'deviation 0', 'deviation 1')
        """
        each = range(self.levels)
        names = ["exponent", *(f"efficiency {k}" for k in each), "ceiling", *(f"deviation {k}" for k in each)]
        return (*names, "half located") if self.located is not None else tuple(names)

    def quality(self, form: str, parameters: Array, sizes: Array) -> Array:
        """Quality by each vector of parameters, with each number of images.

        Args:
            form: ``hill``, ``weibull``, ``lognormal`` or ``power``.
            parameters: (draws, parameters).
            sizes: (plans, levels), in images.

        Returns:
            (draws, plans), from 0 to 1.

        Example:
            >>> curves = Curves(1, scale=1000.0)
            >>> parameters = np.array([[0.0, 0.0, 0.0, 0.0]])  # half of the ceiling of 0.5 at 1,000 images
            >>> curves.quality("hill", parameters, np.array([[0.0], [1000.0], [1e9]])).round(3)
            array([[0.  , 0.25, 0.5 ]])
        """
        exponent = np.exp(parameters[:, :1])
        effective = self._effective(parameters, sizes)
        total = np.maximum(effective.sum(-1), _SMALLEST)
        by_ceiling = effective if self.located is None else effective * self.located
        shares = by_ceiling / np.maximum(by_ceiling.sum(-1), _SMALLEST)[..., None]
        first = 1 + self.levels
        deviations = parameters[:, None, first + 1 : first + 1 + self.levels]
        ceiling = parameters[:, first, None] + (shares * deviations).sum(-1)
        quality = _FORMS[form](exponent * np.log(total), ceiling)
        if self.located is not None:
            drawn = (sizes * self.located).sum(-1) / self.scale
            quality = quality * drawn / (drawn + np.exp(parameters[:, -1:]))
        return quality

    def direction(self, parameters: Array, sizes: Array) -> Array:
        """Of what the effective images consist, as a vector of length 1; zeros without images.

        Args:
            parameters: (draws, parameters).
            sizes: (plans, levels), in images.

        Returns:
            (draws, plans, levels).

        Example:
            >>> curves = Curves(2, scale=1000.0)  # images of both levels are worth the same
            >>> curves.direction(np.zeros((1, 6)), np.array([[500.0, 0.0], [300.0, 400.0], [0.0, 0.0]]))
            array([[[1. , 0. ],
                    [0.6, 0.8],
                    [0. , 0. ]]])
        """
        effective = self._effective(parameters, sizes)
        return effective / np.maximum(np.linalg.norm(effective, axis=-1), _SMALLEST)[..., None]

    def _effective(self, parameters: Array, sizes: Array) -> Array:
        return np.asarray(np.exp(parameters[:, 1 : 1 + self.levels])[:, None, :] * (sizes / self.scale))


def _hill(log_power: Array, ceiling: Array) -> Array:
    return expit(ceiling) * expit(log_power)


def _weibull(log_power: Array, ceiling: Array) -> Array:
    return expit(ceiling) * -np.expm1(-np.exp(np.minimum(log_power, 50)))


def _lognormal(log_power: Array, ceiling: Array) -> Array:
    return expit(ceiling) * ndtr(log_power / _LOGNORMAL_WIDTH)


def _power(log_power: Array, ceiling: Array) -> Array:
    return expit(ceiling - np.exp(np.minimum(-log_power, 50)))


_FORMS: dict[str, Callable[[Array, Array], Array]] = {
    "hill": _hill,
    "weibull": _weibull,
    "lognormal": _lognormal,
    "power": _power,
}
FORMS = tuple(_FORMS)
"""The forms, which are believed equally: weights by fit would favour the one that saturates first."""
