"""What is reported of calls: every measure that ``evaluation`` gives, at prevalences, and what missed its target."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from app.checking.operating_points import threshold_rule
from app.engines.call_measures import AT_PREVALENCE, RATIOS, at_prevalence, call_measures, curve_measures, missed
from app.engines.measures import metrics
from app.engines.record import ModelRecord
from app.engines.results import logged
from evaluation import operating_point, partial_auc, sensitivity_at_specificity, specificity_at_sensitivity
from tests.app.engines.made_outputs import RECORD, outputs, samples

THRESHOLD = {"threshold": 0.5, "logit_threshold": 0.0}


def cases(seed: int = 0, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = (random.random(n) < 0.3).astype(float)
    return random.normal(size=n) + 2 * label - 1, label, np.arange(n) // 2


def test_calls_have_all_measures_with_counts_and_threshold() -> None:
    score, label, patient = cases()
    point = operating_point(score, label, 0.0, patient)
    entries = call_measures(point, THRESHOLD)
    about = asdict(point.counts) | THRESHOLD
    assert entries["negative_predictive_value"] == asdict(point.negative_predictive_value) | about
    assert entries["positive_likelihood_ratio"] == asdict(point.likelihood_ratios.positive) | about
    assert entries["negative_likelihood_ratio"] == asdict(point.likelihood_ratios.negative) | about


def test_points_of_the_curve_are_those_of_these_cases() -> None:
    score, label, patient = cases()
    entries = curve_measures(score[:, None], label[:, None], patient, ["Mass"])
    point = sensitivity_at_specificity(score, label, 0.9, patient)
    entry = entries["sensitivity_at_specificity"]["specificity 0.9"]["Mass"]
    assert (entry["value"], entry["lower"], entry["logit_threshold"]) == (point.value, point.lower, point.threshold)
    assert entry["present_patients"] == point.counts.present_patients
    entry = entries["specificity_at_sensitivity"]["sensitivity 0.9"]["Mass"]
    assert entry["value"] == specificity_at_sensitivity(score, label, 0.9, patient).value
    part = partial_auc(score, label, patient)
    entry = entries["partial_auc"]["specificity 0.9 to 1"]["Mass"]
    assert (entry["value"], entry["area"], entry["mean_sensitivity"]) == (
        part.standardised.value,
        part.area.value,
        part.mean.value,
    )


def test_predictive_values_at_the_prevalence_of_the_sample_are_its_own() -> None:
    score, label, patient = cases()
    result = {
        name: {"Mass": entry}
        for name, entry in call_measures(operating_point(score, label, 0.0, patient), THRESHOLD).items()
    }
    found = at_prevalence(result, {"Mass": float(label.mean()), "Nodule": 0.1})
    assert found.keys() == {*AT_PREVALENCE}
    assert found["precision_at_prevalence"].keys() == {"Mass"}
    own = [result[name]["Mass"]["value"] for name in ("precision", "negative_predictive_value")]
    assert [found[name]["Mass"]["value"] for name in AT_PREVALENCE] == pytest.approx(own)
    assert found["precision_at_prevalence"]["Mass"]["prevalence"] == label.mean()
    assert at_prevalence(result, {}) == {}


def test_ratios_have_no_mean_and_are_not_logged() -> None:
    result = metrics(outputs(), samples(), RECORD)
    assert all("macro" not in result[name] for name in RATIOS)
    assert "macro" in result["negative_predictive_value"]
    assert not any("likelihood" in name or "partial" in name or "_at_" in name for name in logged(result, ("Mass",)))


def test_one_class_is_undefined() -> None:
    entries = curve_measures(np.zeros((3, 1)), np.ones((3, 1)), np.arange(3), ["Mass"])
    assert math.isnan(entries["partial_auc"]["specificity 0.9 to 1"]["Mass"]["value"])
    assert math.isnan(entries["sensitivity_at_specificity"]["specificity 0.9"]["Mass"]["lower"])


def test_findings_that_miss_what_was_wanted_are_named() -> None:
    entry = {"value": 0.8, "lower": 0.7, "upper": 0.87}
    result = {"sensitivity": {"Mass": entry, "Nodule": entry | {"upper": 0.91}, "macro": {"value": 0.8}}}
    (sentence,) = missed(result, threshold_rule("sensitivity 0.9"))
    assert sentence == (
        "Mass: sensitivity is 0.800 (95%: 0.700 to 0.870) at the threshold that reached 0.9 on validation."
    )
    assert not list(missed(result, threshold_rule("youden")))
    assert not list(missed(result, threshold_rule("specificity 0.9")))


def test_a_record_without_a_rule_is_youdens() -> None:
    assert ModelRecord(("Mass",), {}, (0.5,), (0.5,)).operating_point == "youden"
