"""Measures of chest-radiograph models, with intervals and tests: pure functions over arrays.

Usable alone, on any model's predictions: it needs numpy and scipy and nothing else. A label is 1 present, 0 absent, and
negative (-1 uncertain, -2 not said) or NaN if unknown; unknown cases are left out finding by finding and counted. What
cannot be measured is NaN. Patients with several images are taken together by functions that are given ``patient``.

- ``roc``, ``delong``, ``auc_tests``, ``average_precision``: ranking, with intervals and paired and unpaired tests
- ``partial_areas``, ``curve_points``: a part of the ROC curve, and its points
- ``operating``, ``likelihood_ratios``, ``paired_shares``: thresholds chosen on validation cases, what they do to other
  cases, and two models' calls of the same cases
- ``calibration``, ``calibration_error``, ``calibration_slope``, ``decision_curve``: whether probabilities are right
- ``recalibration``: making them right on validation cases
- ``overlap``, ``boundaries``, ``localisation``, ``marks``, ``froc``: the location of a finding
- ``agreement``, ``reader_skill``: readers and label sets, and how good readers are where nobody knows the truth
- ``figures_of_merit``, ``multireader``: several readers of the same cases in several modalities
- ``resampling``, ``means``, ``permutation``: bootstrap by patient, repeated runs, permutation tests, Holm's correction
- ``subgroups``, ``studies``: shortcuts, and several views of a study
- ``logits``, ``predictions``, ``compare``: ranking by logits, tables of predictions, and models on the same cases
- ``margins``, ``seeds``: non-inferiority and equivalence, and methods of several training runs each
- ``power``, ``power_of_shares``: how many patients a planned study needs
"""

from evaluation.agreement import Agreement, cohen_kappa, fleiss_kappa, landis_koch
from evaluation.auc_tests import AucComparison, compare_paired, compare_unpaired
from evaluation.average_precision import average_precision, average_precision_interval
from evaluation.boundaries import BoundaryDistances, boundary_distances
from evaluation.calibration import (
    brier_score,
    expected_calibration_error,
    reliability_curve,
    scaled_brier_score,
)
from evaluation.calibration_error import debiased_calibration_error
from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.call_comparison import compare_calls
from evaluation.cases import Counts, FindingResult, Interval
from evaluation.compare import (
    Comparison,
    ComparisonRow,
    DifferentCasesError,
    compare_means,
    compare_predictions,
    compare_ratios,
)
from evaluation.curve_points import CurvePoint, sensitivity_at_specificity, specificity_at_sensitivity
from evaluation.decision_curve import NetBenefit, decision_curve
from evaluation.delong import area_covariance, auc_interval, auc_intervals, macro_auc_interval
from evaluation.froc import froc_curve, froc_sensitivity, jafroc_figure, match_marks
from evaluation.likelihood_ratios import LikelihoodRatios, likelihood_ratios
from evaluation.localisation import is_correct, linear_histogram, map_histogram, pointing_hit
from evaluation.logits import logit_of, logit_of_mean, probability
from evaluation.margins import MarginTest, margin_test
from evaluation.means import mean_interval, over_runs, ratio_interval
from evaluation.multireader import MultiReader, Population, obuchowski_rockette
from evaluation.operating import (
    OperatingPoint,
    operating_point,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)
from evaluation.overlap import (
    aggregated_dice,
    areas_at,
    best_threshold_of_aggregate,
    best_threshold_of_mean,
    dice,
    dice_at_thresholds,
    iou,
    probability_histogram,
)
from evaluation.paired_shares import ShareComparison, compare_shares
from evaluation.partial_areas import (
    PartialArea,
    PartialAreaComparison,
    compare_partial_auc,
    partial_auc,
    partial_auc_of_sensitivities,
)
from evaluation.permutation import holm, paired_permutation_test
from evaluation.predictions import PredictionTable, read_predictions, write_predictions
from evaluation.reader_skill import ReaderSkill, dawid_skene
from evaluation.recalibration import Choice, Recalibration, choose_recalibration, fit_recalibration
from evaluation.resampling import (
    bootstrap_auc,
    bootstrap_average_precision,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_sensitivity,
)
from evaluation.roc import auc, auc_per_finding, precision_recall_curve, roc_curve
from evaluation.seeds import compare_repeated_means, compare_repeated_predictions
from evaluation.share_gaps import ShareGap, share_gaps
from evaluation.studies import group_by_study
from evaluation.subgroups import age_bands, check_treatment, corrected, subgroup_areas, untested
from evaluation.truth import Truth
