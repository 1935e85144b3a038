"""Measurements of chest-radiograph models, with intervals and tests: pure functions over arrays.

Usable alone, on any model's predictions: it needs numpy and nothing else. In all modules a label is 1 present, 0
absent, and negative (-1 uncertain, -2 not said) or NaN where nobody knows; unknown cases are left out finding by
finding and counted. What cannot be measured is NaN, never a guess. Patients with several images are taken together
where a function is given ``patient``.

- ``roc``, ``delong``, ``auc_tests``, ``average_precision``: ranking, with intervals and paired and unpaired tests
- ``operating``, ``calibration``: thresholds chosen on validation cases, and whether probabilities mean what they say
- ``overlap``, ``localisation``, ``marks``, ``froc``: where a finding is
- ``agreement``: readers and label sets
- ``resampling``, ``means``, ``permutation``: bootstrap by patient, repeated runs, permutation tests, Holm's correction
- ``subgroups``, ``studies``: shortcuts, views of a study, ensembles
- ``logits``, ``predictions``, ``compare``: what ranks scores, tables of predictions, and models on the same cases
"""

from evaluation.agreement import Agreement, AgreementTable, agreement_table, cohen_kappa, fleiss_kappa, landis_koch
from evaluation.auc_tests import AucComparison, compare_paired, compare_unpaired
from evaluation.average_precision import average_precision, average_precision_interval
from evaluation.calibration import brier_score, expected_calibration_error, reliability_curve
from evaluation.cases import Counts, FindingResult, Interval
from evaluation.compare import (
    Comparison,
    ComparisonRow,
    DifferentCasesError,
    compare_all,
    compare_means,
    compare_predictions,
    compare_ratios,
)
from evaluation.delong import area_covariance, auc_interval, auc_intervals, macro_auc_interval
from evaluation.froc import froc_curve, froc_sensitivity, jafroc_figure, match_marks
from evaluation.localisation import is_correct, linear_histogram, map_histogram, pointing_hit
from evaluation.logits import logit_of, logit_of_mean, probability
from evaluation.means import mean_interval, over_runs, ratio_interval
from evaluation.operating import (
    OperatingPoint,
    operating_point,
    operating_points,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)
from evaluation.overlap import (
    aggregated_dice,
    aggregated_dice_at_thresholds,
    areas,
    best_threshold_of_aggregate,
    best_threshold_of_mean,
    dice,
    dice_at_thresholds,
    iou,
    probability_histogram,
)
from evaluation.permutation import holm, paired_permutation_test
from evaluation.predictions import PredictionTable, read_predictions, write_predictions
from evaluation.resampling import bootstrap_auc, bootstrap_average_precision, bootstrap_mean, bootstrap_ratio
from evaluation.roc import auc, auc_per_finding, precision_recall_curve, roc_curve
from evaluation.studies import ensemble, group_by_study
from evaluation.subgroups import age_bands, by_subgroup, check_treatment, subgroup_areas

__all__ = [
    "Agreement",
    "AgreementTable",
    "AucComparison",
    "Comparison",
    "ComparisonRow",
    "Counts",
    "DifferentCasesError",
    "FindingResult",
    "Interval",
    "OperatingPoint",
    "PredictionTable",
    "age_bands",
    "aggregated_dice",
    "aggregated_dice_at_thresholds",
    "agreement_table",
    "area_covariance",
    "areas",
    "auc",
    "auc_interval",
    "auc_intervals",
    "auc_per_finding",
    "average_precision",
    "average_precision_interval",
    "best_threshold_of_aggregate",
    "best_threshold_of_mean",
    "bootstrap_auc",
    "bootstrap_average_precision",
    "bootstrap_mean",
    "bootstrap_ratio",
    "brier_score",
    "by_subgroup",
    "check_treatment",
    "cohen_kappa",
    "compare_all",
    "compare_means",
    "compare_paired",
    "compare_predictions",
    "compare_ratios",
    "compare_unpaired",
    "dice",
    "dice_at_thresholds",
    "ensemble",
    "expected_calibration_error",
    "fleiss_kappa",
    "froc_curve",
    "froc_sensitivity",
    "group_by_study",
    "holm",
    "iou",
    "is_correct",
    "jafroc_figure",
    "landis_koch",
    "linear_histogram",
    "logit_of",
    "logit_of_mean",
    "macro_auc_interval",
    "map_histogram",
    "match_marks",
    "mean_interval",
    "operating_point",
    "operating_points",
    "over_runs",
    "paired_permutation_test",
    "pointing_hit",
    "precision_recall_curve",
    "probability",
    "probability_histogram",
    "ratio_interval",
    "read_predictions",
    "reliability_curve",
    "roc_curve",
    "subgroup_areas",
    "threshold_at_sensitivity",
    "threshold_at_specificity",
    "write_predictions",
    "youden_threshold",
]
