"""Reliability and decision curves: what is drawn is what is measured."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from app.engines.calibration_pictures import decision_curves, reliability
from evaluation.calibration import reliability_curve
from evaluation.decision_curve import decision_curve
from tests.app.engines.test_pictures import outputs

FINDINGS = ["Nodule", "Mass"]


def test_reliability_is_that_of_scikit_learn():
    given = outputs(n=300)
    given.label[:20, 0] = -1
    figure = reliability(given, FINDINGS, np.arange(300))
    share, mean = calibration_curve(given.label[20:, 0], given.score[20:, 0], n_bins=10)
    points = figure.axes[0].containers[0]
    np.testing.assert_allclose(points.lines[0].get_xdata(), mean)
    np.testing.assert_allclose(points.lines[0].get_ydata(), share)
    assert [axes.get_title() for axes in figure.axes] == FINDINGS


def test_intervals_of_reliability_take_patients_together():
    given, patient = outputs(n=300), np.arange(300) // 6
    segments = reliability(given, FINDINGS, patient).axes[0].containers[0].lines[2][0].get_segments()
    curve = reliability_curve(given.score[:, 0], given.label[:, 0], patient=patient)
    np.testing.assert_allclose([s[:, 1] for s in segments], np.stack([curve.lower, curve.upper], axis=1))


@pytest.mark.parametrize(
    ("label", "shares"), [(0, {0.0}), (1, {1.0}), (-1, set())], ids=["absent", "present", "uncertain"]
)
def test_reliability_of_one_kind_of_case(label, shares):
    given = outputs()
    given.label[:] = label
    for axes in reliability(given, FINDINGS, np.arange(30)).axes:
        drawn = axes.containers[0].lines[0].get_ydata()
        assert set(drawn[~np.isnan(drawn)]) == shares
        assert axes.texts[0].get_text() == "slope undefined\nintercept undefined"


def test_decision_curves_show_the_model_everybody_and_nobody():
    given, patient = outputs(n=300), np.arange(300) // 3
    given.label[:20, 0] = -1
    axes = decision_curves(given, FINDINGS, patient).axes[0]
    points = decision_curve(given.score[:, 0], given.label[:, 0], patient)
    model, everybody, nobody = axes.get_lines()
    np.testing.assert_allclose(model.get_ydata(), [point.model.value for point in points])
    np.testing.assert_allclose(everybody.get_ydata(), [point.treat_all.value for point in points])
    assert set(nobody.get_ydata()) == {0}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["model", "everybody", "nobody"]


def test_findings_that_nobody_labelled_have_empty_panels():
    given = outputs()
    given.label[:] = -1
    for axes in decision_curves(given, FINDINGS, np.arange(30)).axes:
        assert np.isnan(axes.get_lines()[0].get_ydata()).all()
