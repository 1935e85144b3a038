"""Average precision against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from evaluation.average_precision import (
    average_precision,
    average_precision_interval,
)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("prevalence", [0.02, 0.4, 0.95])
def test_agrees_with_scikit_learn(ties, prevalence):
    random = np.random.default_rng(5)
    label = (random.random((400, 3)) < prevalence).astype(float)
    score = random.normal(size=(400, 3)) + label
    if ties:
        score = np.round(score)
    expected = [average_precision_score(label[:, c], score[:, c]) for c in range(3)]
    ours = [average_precision(score[:, c], label[:, c]) for c in range(3)]
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    label[::7] = -1
    known = label[:, 0] >= 0
    assert average_precision(score[:, 0], label[:, 0]) == pytest.approx(
        average_precision_score(label[known, 0], score[known, 0])
    )


@pytest.mark.parametrize(
    ("score", "label", "expected"),
    [
        ([3, 2, 1], [1, 0, 1], (1 + 2 / 3) / 2),  # precision 1 and 2/3 where recall is won
        ([1, 1, 1, 1], [1, 0, 0, 0], 0.25),  # constant: the prevalence
        ([1, 2], [1, 1], 1.0),
        ([1, 2], [0, 0], math.nan),
        ([], [], math.nan),
    ],
)
def test_by_hand(score, label, expected):
    assert average_precision(score, label) == pytest.approx(expected, nan_ok=True)


def test_interval():
    random = np.random.default_rng(1)
    label = random.random(500) < 0.2
    result = average_precision_interval(random.normal(size=500) + label, label)
    # Boyd et al.: the logit plus or minus 1.96 / sqrt(P A (1 - A))
    logit = math.log(result.value / (1 - result.value))
    reach = 1.959964 / math.sqrt(result.present * result.value * (1 - result.value))
    assert math.log(result.upper / (1 - result.upper)) == pytest.approx(logit + reach)
    assert math.log(result.lower / (1 - result.lower)) == pytest.approx(logit - reach)
    perfect = average_precision_interval([3, 2, 1], [1, 1, 0])
    assert (perfect.value, perfect.lower, perfect.upper) == pytest.approx((1, 0.025**0.5, 1))
    assert math.isnan(average_precision_interval([1], [0]).lower)


def test_the_rarest_finding_ranked_last_has_an_interval():
    # One present case below 199,999 absent ones: 1 / 200,000, whose logit's standard error is about 447.
    n = 200_000
    result = average_precision_interval(np.arange(n)[::-1], np.arange(n) == n - 1)
    assert result.value == pytest.approx(1 / n)
    assert (result.lower, result.upper) == pytest.approx((0, 1))
