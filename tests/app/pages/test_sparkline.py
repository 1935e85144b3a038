"""Sparklines: lengths, gaps and constant curves."""

import math

from app.pages.sparkline import sparkline


def test_a_long_curve_is_averaged_into_as_many_characters_as_allowed():
    assert sparkline([0.0, 0.0, 7.0, 7.0, 14.0, 14.0], width=3) == "▁▅█"  # 3.5 steps are rounded to an even number
    assert len(sparkline([float(value) for value in range(31)])) == 12


def test_curves_without_a_range_or_without_values():
    assert sparkline([]) == ""
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([math.nan, math.nan]) == "  "
