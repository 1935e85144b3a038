"""Kim et al., tables 2 to 4: curves fitted to the smaller sets predict the larger ones, which were not seen.

The numbers are the paper's, in hundredths; the error of a cell is its 95% half-width, pooled over levels by size.
"""

import numpy as np
import pytest

from app.planning.pilot import Pilot
from app.planning.planner import Planner
from app.planning.prices import Prices, Purchase

SIZES = np.array([1_214, 6_068, 12_136, 30_339, 60_678, 121_356])
NLP_80 = [55.7, 66.9, 73.2, 84.5, 88.4, 92.9], [5, 9.2, 3, 1.6, 1.8, 0.7]
"""Labels by a program at F1 0.8, in both tables of areas: means, and half-widths."""
GRANULARITY = (
    NLP_80,
    ([65.3, 84, 90.4, 92.4, 92.9, 93.7], [5.1, 3.2, 0.1, 0.2, 0.1, 0.7]),
    ([67.5, 81.2, 88.5, 94.3, 94.9, 95.8], [1.9, 1.2, 0.7, 0.1, 0.3, 0.01]),
    ([68.9, 82.1, 89.8, 94.6, 95.3, 95.9], [1.3, 0.5, 1.3, 0.08, 0.03, 0.03]),
)
QUALITY = (
    ([52.9, 54.6, 71.6, 77.2, 86.2, 90], [3.8, 2.9, 9.3, 4.2, 2.3, 0.1]),
    NLP_80,
    ([57.7, 72.4, 83.2, 86.1, 92.2, 94.1], [6, 3.1, 9.3, 1.1, 0.5, 0.1]),
    ([61.8, 69.6, 82.9, 90.8, 93.2, 94.0], [5.2, 7.7, 3.8, 2.8, 0.4, 0.1]),
    ([60.1, 82.9, 87.5, 92.75, 93.3, 93.9], [2.6, 0.6, 3.9, 0.3, 0.2, 0.3]),
)
DICE = (
    ([4.6, 22.9, 34.1, 40.4, 42.1, 42.7], [2, 2, 1, 1, 2, 2]),
    ([11.1, 32.7, 42.2, 46.9, 48.6, 50], [7, 3, 0.5, 0.9, 0.9, 0.7]),
)


@pytest.mark.parametrize(
    ("metric", "table", "seen", "most"),
    [
        ("auc.macro", GRANULARITY, 3, 1.5),
        ("auc.macro", QUALITY, 3, 1.5),
        ("dice.macro", DICE, 3, 3.5),
        ("auc.macro", GRANULARITY, 4, 1.0),
        ("auc.macro", QUALITY, 4, 1.3),
        ("dice.macro", DICE, 4, 1.5),
    ],
)
def test_larger_sets_are_predicted_from_smaller_ones(metric: str, table: tuple, seen: int, most: float):
    values, half_widths = (np.array(each) / 100 for each in zip(*table, strict=True))
    levels = tuple(f"level {index}" for index in range(len(values)))
    sizes = np.concatenate([np.eye(len(levels))[index] * SIZES[:, None] for index in range(len(levels))])
    error = np.tile(np.sqrt((half_widths**2).mean(0)) / 1.96, len(levels))
    is_seen = np.tile(np.arange(len(SIZES)) < seen, len(levels))
    pilot = Pilot(
        metric, levels, sizes[is_seen], values.ravel()[is_seen], error[is_seen], np.full(is_seen.sum(), np.nan), 3
    )
    prices = Prices("hours", tuple(Purchase(level, 1.0) for level in levels), {}, 10**6, frozenset(levels))
    drawn = Planner([pilot], prices).metric(sizes[~is_seen])
    lower, median, upper = np.quantile(drawn, (0.05, 0.5, 0.95), axis=0)
    truth = values.ravel()[~is_seen]
    assert 100 * np.abs(median - truth).mean() <= most
    assert ((lower <= truth) & (truth <= upper)).mean() >= 0.8  # of intervals of 90%; 54 of all 55 hold
