"""The settings about operating points: which thresholds validation chooses, and how frequent findings are elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.checking.kinds import is_number
from app.nearest import did_you_mean

YOUDEN = "youden"
_WANTED = ("sensitivity", "specificity")
_FORM = re.compile(r"(\w+)\s+([\d.]+)")


@dataclass(frozen=True)
class ThresholdRule:
    """How a threshold is chosen on validation.

    Attributes:
        measure: ``youden``, ``sensitivity`` or ``specificity``.
        share: The sensitivity or specificity that is wanted; 0 for ``youden``.
    """

    measure: str
    share: float

    @property
    def words(self) -> str:
        """The rule for people."""
        if self.measure == YOUDEN:
            return "the highest sensitivity + specificity (Youden's point)"
        other = _WANTED[self.measure == _WANTED[0]]
        return f"a {self.measure} of at least {self.share:g}, with the highest {other}"


def threshold_rule(text: object) -> ThresholdRule:
    """Read the setting ``operating_point``.

    Example:
        >>> threshold_rule("sensitivity 0.95").words
        'a sensitivity of at least 0.95, with the highest specificity'

    Args:
        text: ``youden``, or ``sensitivity`` or ``specificity`` with a share above 0 and up to 1.

    Raises:
        ValueError: It is something else.
    """
    if text == YOUDEN:
        return ThresholdRule(YOUDEN, 0.0)
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is not None and match[1] in _WANTED:
        try:
            share = float(match[2])
        except ValueError:
            share = 0.0
        if 0 < share <= 1:
            return ThresholdRule(match[1], share)
    hint = did_you_mean(match[1], _WANTED) if match is not None and match[1] not in _WANTED else ""
    raise ValueError(
        f"operating_point is youden, or sensitivity or specificity with a share above 0 and up to 1, such as "
        f"'sensitivity 0.95', not {text!r}.{hint}"
    )


def prevalence_problem(value: object) -> str:
    """Why the setting ``prevalence`` does not give shares by finding; empty if it does, and for null.

    Example:
        >>> prevalence_problem({"Pneumothorax": 0.02}), prevalence_problem({"Pneumothorax": 2})
        ('', 'prevalence of Pneumothorax is 2; it must lie between 0 and 1, such as 0.02.')
    """
    if value is None:
        return ""
    if not isinstance(value, dict):
        return f"prevalence gives a share for each finding, such as {{Pneumothorax: 0.02}}, not {value!r}."
    for finding, share in value.items():
        if not is_number(share) or not 0 < share < 1:
            return f"prevalence of {finding} is {share!r}; it must lie between 0 and 1, such as 0.02."
    return ""
