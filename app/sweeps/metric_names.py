"""The metrics of runs that a study may show: paths into ``metrics.json`` or ``model.json``, and the time a run took."""

from __future__ import annotations

from collections.abc import Iterable

from app.sweeps.fields import require_known

VALIDATION = "validation."
"""Prefix of the metrics in ``model.json`` that a training chose its best epoch by."""
SECONDS = "seconds"
"""A metric that no file holds: how long the run took."""
MEASURES = (
    *("auc", "average_precision", "sensitivity", "specificity", "precision", "f1", "accuracy"),
    *("negative_predictive_value", "positive_likelihood_ratio", "negative_likelihood_ratio"),
    *("precision_at_prevalence", "negative_predictive_value_at_prevalence"),
    *("sensitivity_at_specificity", "specificity_at_sensitivity", "partial_auc"),
    *("brier", "brier_scaled", "calibration_error", "calibration_error_debiased"),
    *("calibration_intercept", "calibration_slope", "net_benefit"),
    *("dice", "dice_aggregated", "hit_rate", "iou_accuracy", "ior_accuracy", "hausdorff_95"),
    *("normalised_surface_distance", "lroc_area", "afroc_area", "weighted_afroc_area", "froc_sensitivity"),
    *("auc_by", "auc_by_view", "by_study", "by_finding_group", "label_sets", "recalibration", "training", "excluded"),
)
"""Names in ``metrics.json`` at which a path can begin."""


def require_metrics(paths: Iterable[str], where: str) -> None:
    """Raise ValueError, with the nearest name, if a path begins with no known name."""
    for path in paths:
        if path != SECONDS and not path.startswith(VALIDATION):
            require_known([path.partition(".")[0]], MEASURES, f"{where}: {path!r}")
