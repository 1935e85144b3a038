"""Whether a curve was still improving at its end: single cases, and how often curves of known kinds are marked."""

import math
from pathlib import Path

import numpy as np
import pytest

from app.sweeps.convergence import is_improving

DOCS = Path(__file__).parents[3] / "docs/studies.md"
CURVES, EPOCHS = 50, 30
"""Of each kind and noise. The table in docs/studies.md has the shares of them that are marked."""
KINDS = {
    "does not learn": lambda t: 0 * t,
    "rises, then falls": lambda t: 1 - np.exp(-8 * t) - 0.5 * np.clip(t - 0.4, 0, 1),
    "has 0.03% to go": lambda t: 1 - np.exp(-8 * t),
    "has 5% to go": lambda t: 1 - np.exp(-3 * t),
    "has 14% to go": lambda t: 1 - np.exp(-2 * t),
    "has 37% to go": lambda t: 1 - np.exp(-t),
    "has just begun": lambda t: 1 / (1 + np.exp(-10 * (t - 0.9))),
    "jumps by a fifth at 3/4, then is flat": lambda t: np.where(t < 0.75, 0.8 * (1 - np.exp(-8 * t)), 1.0),
}
"""Metrics over the time of a training, from 0 to 1. e to the power -8, -3, -2 and -1 is 0.0003, 0.05, 0.14 and 0.37."""


@pytest.mark.parametrize(
    ("values", "is_loss", "expected"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0], True, True),
        ([5.0, 4.0, 3.0, 2.0, 1.0], False, False),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], False, False),
        ([0.0, *[1.0] * 5], False, False),
        # The end rises steadily, but by 0.04 of a rise of 1.04: less than a tenth.
        ([0.0, *[1.0] * 9, 1.0, 1.01, 1.02, 1.03, 1.04], False, False),
        ([1.0, 2.0, 3.0, 4.0], False, None),
        ([1.0, 2.0, 3.0, 4.0, math.nan], False, None),
        ([math.nan, 1.0, 2.0, 3.0, 4.0, 5.0], False, True),
    ],
)
def test_single_curves(values, is_loss, expected):
    assert is_improving(values, is_loss) is expected


def test_the_documented_shares_of_made_curves_are_marked():
    generator = np.random.default_rng(0)
    rows = []
    for name, shape in KINDS.items():
        shares = []
        for noise in (0.02, 0.1, 0.1 / 3**0.5):
            made = shape(np.linspace(0, 1, EPOCHS)) + generator.normal(0, noise, (CURVES, EPOCHS))
            shares.append(sum(bool(is_improving(curve, is_loss=False)) for curve in made.tolist()) / CURVES)
        rows.append(f"| {name} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    text = DOCS.read_text()
    assert [row for row in rows if row not in text] == []  # the mean of three curves has 1 / sqrt(3) of their noise
