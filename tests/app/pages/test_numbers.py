"""Numbers in tables; expected texts by hand."""

import math

import pytest

from app.pages import numbers
from evaluation.cases import Interval


@pytest.mark.parametrize(
    ("p", "text"),
    [(1.0, "1"), (0.99999, ">0.9999"), (0.04321, "0.0432"), (0.00009, "<0.0001"), (math.nan, "n/a")],
)
def test_p_value(p, text):
    assert numbers.p_value(p) == text


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.0, 0.0, 0.0), "0 [0, 0]"),
        (Interval(0.0, -0.1, 0.1), "0 [-0.100, +0.100]"),
        (Interval(-0.01234, -0.02, 0.004), "-0.012 [-0.020, +0.004]"),
        (Interval(0.5, math.nan, math.nan), "+0.500"),
        (Interval(math.nan, math.nan, math.nan), "n/a"),
    ],
)
def test_difference(interval, text):
    assert numbers.difference(interval) == text
