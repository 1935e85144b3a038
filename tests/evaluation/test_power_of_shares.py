"""Power of McNemar's test, against MESS and the sum over all outcomes."""

import itertools
import math

import pytest
from scipy.stats import binomtest

from evaluation.power_of_shares import power_of_noninferior_shares, power_of_shares


def test_power_agrees_with_mess():
    # MESS 0.5 (testpowermcnemar.R): power_mcnemar_test(144, paid = 0.25, psi = 45/25, method = "exact",
    # alternative = "one.sided", sig.level = 0.025) is 0.80.
    assert round(power_of_shares(144, 0.45, 0.25), 2) == 0.8


@pytest.mark.parametrize(("only_new", "only_reference"), [(0.5, 0.1), (0.3, 0.3), (0.4, 0.0)])
def test_power_is_the_sum_over_all_outcomes(only_new, only_reference):
    cases, expected = 15, 0.0
    for new, old in itertools.product(range(cases + 1), repeat=2):
        if 0 < new + old <= cases and binomtest(new, new + old).pvalue <= 0.05:
            same = cases - new - old
            ways = math.factorial(cases) / (math.factorial(new) * math.factorial(old) * math.factorial(same))
            expected += ways * only_new**new * only_reference**old * (1 - only_new - only_reference) ** same
    assert power_of_shares(cases, only_new, only_reference) == pytest.approx(expected, abs=1e-8)


def test_noninferiority_by_hand():
    # Standard error of 200 cases, 10% discordant either way: sqrt(0.2 / 200) = 0.03162; 0.1 / 0.03162 - 1.96 = 1.2023.
    assert power_of_noninferior_shares(200, 0.1, 0.1, 0.1) == pytest.approx(0.8854, abs=1e-4)
