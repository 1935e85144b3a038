"""Figures of calibration: reliability and decision curves, one panel for each finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.engines.outputs import Outputs
from app.engines.pictures import panels, shortened
from evaluation.calibration import reliability_curve
from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.cases import Interval, checked_labels
from evaluation.decision_curve import decision_curve

NUMBER_OF_BARS = 50


def reliability(outputs: Outputs, findings: Sequence[str], patient: np.ndarray) -> Figure:
    """How often a finding is present by its score; on the diagonal, scores are calibrated probabilities.

    Args:
        outputs: Of a pass over N images.
        findings: Names.
        patient: (N,) numbers; the images of a patient are taken together.
    """
    figure, axes = panels(len(findings))
    for c, name in enumerate(findings):
        score, label = outputs.score[:, c], outputs.label[:, c]
        curve = reliability_curve(score, label, patient=patient)
        error = np.stack([curve.share - curve.lower, curve.upper - curve.share])
        axes[c].plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
        axes[c].errorbar(curve.probability, curve.share, error, marker="o", markersize=4, capsize=2, linewidth=1)
        _add_histogram(axes[c], score, label)
        axes[c].set(xlabel="mean score", ylabel="share present", title=shortened(name), xlim=(0, 1), ylim=(0, 1))
        slope, intercept = (
            f(outputs.calibrated[:, c], label, patient) for f in (calibration_slope, calibration_intercept)
        )
        text = f"slope {_limits(slope)}\nintercept {_limits(intercept)}"
        axes[c].text(0.03, 0.97, text, transform=axes[c].transAxes, va="top", fontsize=8)
    return figure


def decision_curves(outputs: Outputs, findings: Sequence[str], patient: np.ndarray) -> Figure:
    """Net benefit by the probability from which one would act, against acting on everybody and on nobody.

    Arguments as in `reliability`.
    """
    figure, axes = panels(len(findings))
    for c, name in enumerate(findings):
        points = decision_curve(outputs.score[:, c], outputs.label[:, c], patient)
        x, everybody = [each.threshold for each in points], [each.treat_all.value for each in points]
        model, lower, upper = np.array([(p.model.value, p.model.lower, p.model.upper) for p in points]).T
        axes[c].fill_between(x, lower, upper, alpha=0.25, linewidth=0, color="tab:blue")
        axes[c].plot(x, model, color="tab:blue", label="model")
        axes[c].plot(x, everybody, color="0.4", linewidth=1, label="everybody")
        axes[c].axhline(0, color="0.4", linewidth=1, linestyle="--", label="nobody")
        labels = checked_labels(outputs.label[:, c])
        share = labels.present.sum() / max(1, labels.known.sum())
        top = max(0.01, share * 1.25)
        axes[c].set(xlabel="threshold probability", ylabel="net benefit", title=shortened(name))
        axes[c].set(xlim=(0, 1), ylim=(-0.3 * top, top))
        axes[c].legend(fontsize=8)
    return figure


def _add_histogram(axes: Axes, score: np.ndarray, label: np.ndarray) -> None:
    """Draw how many known cases have which score as bars at the bottom, a fifth of the height at most."""
    count, edges = np.histogram(score[checked_labels(label).known], np.linspace(0, 1, NUMBER_OF_BARS + 1))
    height = 0.2 * count / max(1, count.max())
    axes.bar(edges[:-1], height, np.diff(edges), align="edge", color="0.85", zorder=-1)


def _limits(result: Interval) -> str:
    if np.isnan(result.value):
        return "undefined"
    return f"{result.value:.2f} [{result.lower:.2f}, {result.upper:.2f}]"
