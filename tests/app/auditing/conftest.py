"""Simulated hospitals: labels of which some are wrong, and scores of a network that did not see the patients."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import ndtri


@pytest.fixture
def simulated() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Scores, given labels and which are wrong, for a number of images, an AUC, a prevalence and a share of wrong ones.

    Scores of both classes are normal with standard deviation 1 and means as far apart as the AUC says.
    """

    def simulate(
        count: int, auc: float, prevalence: float, share: float, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        truth = generator.random(count) < prevalence
        score = generator.normal(size=count) + truth * np.sqrt(2) * ndtri(auc)
        wrong = np.zeros(count, dtype=bool)
        wrong[generator.choice(count, round(share * count), replace=False)] = True
        return score, (truth ^ wrong).astype(np.float64), wrong

    return simulate
