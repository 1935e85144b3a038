"""Figures show the numbers: curves, distributions and the history of a training."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from app.engines.outputs import BINS, Outputs
from app.engines.pictures import curves, distributions, history
from evaluation.roc import auc


def outputs(findings: int = 2, n: int = 30) -> Outputs:
    generator = np.random.default_rng(0)
    inside, outside = np.zeros((3, BINS), np.int32), np.zeros((3, BINS), np.int32)
    # Dice at 0.5: 1, 0 and 2/3, by hand.
    inside[0, 900], inside[1, 100], inside[2, 900], outside[2, 900] = 4, 4, 4, 4
    return Outputs(
        index=np.arange(n)[::-1],
        logit=generator.normal(size=(n, findings)),
        label=(generator.random((n, findings)) > 0.5).astype(np.float32),
        located_row=np.array([3, 5, 8]),
        located_finding=np.zeros(3, dtype=np.int64),
        inside=inside,
        outside=outside,
        missed=np.zeros(3),
        hit=np.array([True, False, True]),
    )


def lines(figure: Figure, place: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {line.get_label(): line.get_data() for line in figure.axes[place].get_lines()}


def test_the_area_under_the_drawn_curve_is_the_reported_one():
    given = outputs()
    drawn = lines(curves(given, ["Nodule", "Mass"]), 0)
    area = auc(given.score[:, 0], given.label[:, 0])
    x, y = drawn[f"Nodule: AUC {area:.3f}"]
    assert np.trapezoid(y, x) == pytest.approx(area)
    assert len(drawn) == 3  # two findings and the diagonal


def test_a_finding_of_one_kind_has_no_curve():
    given = outputs()
    given.label[:, 1] = 0
    assert len(lines(curves(given, ["Nodule", "Mass"]), 0)) == 2
    given.label[:] = -1
    assert curves(given, ["Nodule", "Mass"]).axes[0].get_legend() is None


@pytest.mark.parametrize("findings", [1, 4, 5])
def test_distributions_are_shares_of_known_cases(findings):
    given = outputs(findings)
    given.label[0, 0] = -1
    figure = distributions(given, [f"finding {c}" for c in range(findings)])
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == findings
    bars = [patch.get_height() for patch in shown[0].patches]
    assert sum(bars) == pytest.approx(2)  # each kind sums to 1
    texts = [text.get_text() for text in shown[0].get_legend().get_texts()]
    present, absent = int((given.label[:, 0] == 1).sum()), int((given.label[:, 0] == 0).sum())
    assert texts == [f"absent ({absent})", f"present ({present})"]


def test_history_shows_losses_and_metrics_and_nothing_else():
    values = {
        "train_loss": [2.0, 1.0],
        "learning_rate": [0.1, 0.1],
        "epoch_seconds": [100.0, 100.0],
        "validation_auc": [0.5, 0.6],
        "validation_dice": [math.nan, math.nan],
        "validation_loss": [2.0, 1.5],
    }
    figure = history(values)
    assert set(lines(figure, 0)) == {"train_loss", "validation_loss"}
    assert set(lines(figure, 1)) == {"validation_auc"}
