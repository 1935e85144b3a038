"""Numbers as tables show them, in plain ASCII: values, intervals, differences and p-values."""

from __future__ import annotations

import math

from evaluation.cases import FindingResult, Interval

UNDEFINED = "n/a"


def value(number: float, digits: int = 3) -> str:
    """A value, such as ``0.888``."""
    return UNDEFINED if math.isnan(number) else f"{number:.{digits}f}"


def limits(interval: Interval | FindingResult, digits: int = 3) -> str:
    """A value with the limits of its interval, such as ``0.888 [0.829, 0.947]``."""
    if math.isnan(interval.lower) or math.isnan(interval.upper):
        return value(interval.value, digits)
    return f"{interval.value:.{digits}f} [{interval.lower:.{digits}f}, {interval.upper:.{digits}f}]"


def difference(interval: Interval, digits: int = 3) -> str:
    """A difference with its limits and signs; exactly no difference is ``0 [0, 0]``."""
    if math.isnan(interval.value):
        return UNDEFINED
    if math.isnan(interval.lower) or math.isnan(interval.upper):
        return signed(interval.value, digits)
    return f"{signed(interval.value, digits)} [{signed(interval.lower, digits)}, {signed(interval.upper, digits)}]"


def signed(number: float, digits: int = 3) -> str:
    """A number with its sign; ``0`` stands for exactly zero alone."""
    return "0" if number == 0 else f"{number:+.{digits}f}"


def p_value(p: float) -> str:
    """A p-value with four decimals; ``1`` stands for exactly 1 alone."""
    if math.isnan(p):
        return UNDEFINED
    if p == 1:
        return "1"
    if p < 0.0001:
        return "<0.0001"
    return ">0.9999" if p > 0.9999 else f"{p:.4f}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 image``, ``2 images``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
