"""Figures show the numbers: curves, distributions, the history of a training, and chosen cases."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve

from app.contract import Prediction
from app.engines.located import MapReading
from app.engines.outputs import BINS, Outputs
from app.engines.pictures import _chosen, _ordered, cases, curves, distributions, draw_case, history, reliability
from app.engines.record import ModelRecord
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


def test_located_cases_are_ordered_by_dice():
    rows, value, measure = _ordered(outputs(), 0, 0.5)
    assert measure == "Dice"
    assert rows.tolist() == [3, 8, 5]
    assert value.tolist() == pytest.approx([1, 2 / 3, 0])


def test_cases_that_are_located_nowhere_are_ordered_by_score():
    given = outputs()
    rows, value, measure = _ordered(given, 1, 0.5)
    assert measure == "score"
    assert set(rows) == set(np.flatnonzero(given.label[:, 1] == 1))
    assert value.tolist() == sorted(value, reverse=True)


def test_best_typical_and_worst_cases_are_chosen():
    chosen = _chosen(np.arange(100, 120), np.linspace(1, 0, 20))
    assert [row for kind, row, _ in chosen if kind == "best"] == [100, 101, 102, 103]
    assert [row for kind, row, _ in chosen if kind == "typical"] == [108, 109, 110, 111]
    assert [row for kind, row, _ in chosen if kind == "worst"] == [116, 117, 118, 119]


@pytest.mark.parametrize(
    ("probability", "is_outlined"), [(np.zeros((8, 8)), False), (np.ones((8, 8)), False), (np.eye(8), True)]
)
def test_a_case_is_outlined_where_its_map_crosses_the_threshold(probability, is_outlined):
    axes = Figure().subplots()
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    draw_case(axes, image, probability, 0.5)
    shown, veil = axes.images
    assert np.array_equal(shown.get_array(), image)
    assert np.array_equal(veil.get_alpha(), probability * 0.45)
    assert bool(axes.collections) == is_outlined


def test_reliability_is_that_of_scikit_learn():
    given = outputs(n=300)
    given.label[:20, 0] = -1
    figure = reliability(given, ["Nodule", "Mass"])
    share, mean = calibration_curve(given.label[20:, 0], given.score[20:, 0], n_bins=10)
    drawn = figure.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(drawn.get_xdata(), mean)
    np.testing.assert_allclose(drawn.get_ydata(), share)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["Nodule", "Mass"]


@pytest.mark.parametrize(
    ("label", "shares"), [(0, {0.0}), (1, {1.0}), (-1, set())], ids=["absent", "present", "uncertain"]
)
def test_reliability_of_one_kind_of_case(label, shares):
    given = outputs()
    given.label[:] = label
    for container in reliability(given, ["Nodule", "Mass"]).axes[0].containers:
        drawn = container.lines[0].get_ydata()
        assert set(drawn[~np.isnan(drawn)]) == shares


def evaluator(given: Outputs, maps: torch.Tensor) -> SimpleNamespace:
    """A substitute for an evaluator: item ``i`` is of grey value ``i``, with its first finding in the first row."""
    masks = torch.zeros(len(given.index), 2, 8, 8, dtype=torch.uint8)
    masks[:, 0, 0] = 1
    images = torch.arange(len(given.index), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    dataset = [{"image": image, "mask": mask, "name": "secret"} for image, mask in zip(images, masks, strict=True)]

    def predict(image: torch.Tensor) -> Prediction:
        here = maps.expand(len(image), -1, -1, -1)
        return Prediction(here.amax(dim=(2, 3)), here)

    return SimpleNamespace(
        outputs=given, dataset=dataset, predict=predict, collected=SimpleNamespace(reading=MapReading(), truth=None)
    )


def test_cases_show_the_items_of_their_rows_without_names():
    given = outputs()
    # A map of one half everywhere but in a corner.
    maps = torch.zeros(1, 2, 8, 8)
    maps[..., 0, 0] = 5
    record = ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.5))
    (first, nodule), (second, mass) = cases(evaluator(given, maps), record)
    assert (first, second) == ("Nodule", "Mass")
    # Three located rows (3, 8 and 5 from best to worst) are drawn in each of three groups; rows go against the index.
    titles = [axes.get_title() for axes in nodule.axes if axes.get_title()]
    assert [title.split(",")[0] for title in titles[:3]] == ["best: Dice 1.00", "best: Dice 0.67", "best: Dice 0.00"]
    assert [title.split("\n")[1] for title in titles[:3]] == ["case 26", "case 21", "case 24"]
    assert [int(axes.images[0].get_array().max()) for axes in nodule.axes[:3]] == [26, 21, 24]
    assert len(titles) == 9
    # The second finding is located nowhere: its present cases go by score, best first.
    titles = [axes.get_title() for axes in mass.axes if axes.get_title()]
    highest = given.score[given.label[:, 1] == 1, 1].max()
    assert titles[0].startswith(f"best: score {highest:.2f}, score {highest:.2f}\ncase ")
    assert len(titles) == 12
    assert not any("secret" in title for title in titles)


def test_a_finding_without_present_cases_has_no_figure():
    given = outputs()
    given.label[:, 1] = 0
    record = ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.5))
    assert [name for name, _ in cases(evaluator(given, torch.zeros(1, 2, 8, 8)), record)] == ["Nodule"]


def test_present_cases_annotated_as_nowhere_are_ordered_by_score():
    given = outputs()
    given.inside[:] = 0
    assert _ordered(given, 0, 0.5)[2] == "score"
