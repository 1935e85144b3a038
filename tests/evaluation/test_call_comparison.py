"""Two models' calls compared finding by finding."""

import numpy as np
import pytest

from evaluation.call_comparison import compare_calls
from evaluation.cases import Interval
from evaluation.paired_shares import compare_shares
from evaluation.permutation import holm


def calls(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right calls (90, 3) of two models, with cases that do not count, and patients of three cases."""
    random = np.random.default_rng(seed)
    first, second = (
        (random.random((90, 3)) < [0.9, 0.8, 0.7]).astype(float),
        (random.random((90, 3)) < 0.6).astype(float),
    )
    is_outside = random.random((90, 3)) < 0.4
    return np.where(is_outside, np.nan, first), np.where(is_outside, np.nan, second), np.arange(90) // 3


def test_rows_are_compared_shares_with_holms_correction():
    first, second, patient = calls()
    result = compare_calls(first, second, ("a", "b", "c"), patient)
    shares = [compare_shares(first[:, c] == 1, second[:, c] == 1, ~np.isnan(first[:, c]), patient) for c in range(3)]
    assert [row.difference for row in result.rows] == [each.difference for each in shares]
    assert [row.first.interval for row in result.rows] == [each.first for each in shares]
    assert [row.p_holm for row in result.rows] == holm([each.p for each in shares]).tolist()
    counted = ~np.isnan(first[:, 0])
    assert (result.rows[0].first.present, result.rows[0].first.absent) == (counted.sum(), 0)
    assert result.rows[0].first.present_patients == len(np.unique(patient[counted]))
    assert result.macro is None


def test_models_that_are_the_same_differ_by_exactly_0():
    first, _, patient = calls()
    for alike, limits in (((True,) * 3, Interval(0, 0, 0)), ((), None)):
        row = compare_calls(first, first, ("a", "b", "c"), patient, alike=alike).rows[0]
        assert (row.p, row.difference.value) == (1, 0)
        assert row.difference == limits or (limits is None and row.difference.lower < 0 < row.difference.upper)
    nothing = np.full((4, 1), np.nan)
    assert np.isnan(compare_calls(nothing, nothing, ("a",), alike=(True,)).rows[0].difference.value)


def test_a_margin_is_that_of_the_interval():
    """Non-inferior at a one-sided 2.5% if and only if the 95% interval of second - first lies above the margin."""
    first, second, patient = calls(1)
    for margin in (0.05, 0.2, 0.45, 0.6):
        for row in compare_calls(first, second, ("a", "b", "c"), patient, margin).rows:
            assert row.margin is not None
            assert (row.margin.p_noninferior < 0.025) == (row.difference.upper < margin)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"must be the same \(N, C\)"):
        compare_calls(np.zeros((3, 1)), np.zeros((3, 2)), ("a",))
