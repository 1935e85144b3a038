"""Curves of calibration as tables, and the measures beside them."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from app.engines.calibration_results import write_decision_curves, write_reliability
from app.engines.measures import metrics
from app.engines.record import ModelRecord
from evaluation.calibration import reliability_curve
from evaluation.calibration_slope import calibration_intercept, calibration_slope
from evaluation.decision_curve import decision_curve
from tests.app.engines.made_outputs import RECORD, N, of_patients, outputs, samples, with_unknown


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_reliability_has_a_row_for_each_bin_with_cases(tmp_path):
    given, patients = with_unknown(), of_patients([str(i // 2) for i in range(N)])
    write_reliability(given, patients, RECORD.findings, tmp_path / "reliability.csv")
    curve = reliability_curve(given.score[:, 1], given.label[:, 1], patient=np.arange(N) // 2)
    rows = [row for row in rows_of(tmp_path / "reliability.csv") if row["finding"] == "Mass"]
    has_cases = curve.cases > 0
    assert [int(row["cases"]) for row in rows] == curve.cases[has_cases].tolist()
    for name, values in (("mean_score", curve.probability), ("share_present", curve.share), ("lower", curve.lower)):
        assert [float(row[name]) for row in rows] == pytest.approx(values[has_cases].tolist(), rel=1e-5)


def test_decision_curves_have_a_row_for_each_threshold(tmp_path):
    given = outputs()
    write_decision_curves(given, samples(), RECORD.findings, tmp_path / "decision_curve.csv")
    rows = rows_of(tmp_path / "decision_curve.csv")
    assert [row["finding"] for row in rows] == ["Nodule"] * 99 + ["Mass"] * 99
    points = decision_curve(given.score[:, 0], given.label[:, 0])
    assert [float(row["threshold"]) for row in rows[:99]] == [point.threshold for point in points]
    for name, part in (("net_benefit", "model"), ("treat_all", "treat_all"), ("gain", "gain")):
        expected = [getattr(point, part).value for point in points]
        assert [float(row[name]) for row in rows[:99]] == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_undefined_values_are_empty(tmp_path):
    given = outputs()
    given.label[:, 0] = -1
    write_decision_curves(given, samples(), RECORD.findings, tmp_path / "decision_curve.csv")
    assert rows_of(tmp_path / "decision_curve.csv")[0]["net_benefit"] == ""


def test_measures_take_patients_together():
    given, patient = with_unknown(), np.arange(N) // 2
    result = metrics(given, of_patients([str(i) for i in patient]), RECORD)
    for name, measure in (("calibration_slope", calibration_slope), ("calibration_intercept", calibration_intercept)):
        expected = measure(given.logit[:, 1], given.label[:, 1], patient)
        entry = result[name]["Mass"]
        assert (entry["value"], entry["lower"], entry["upper"]) == (expected.value, expected.lower, expected.upper)
        assert entry["unknown"] == 8
    (point,) = decision_curve(given.score[:, 1], given.label[:, 1], patient, [0.1])
    entry = result["net_benefit"]["at 0.1"]["Mass"]
    assert (entry["value"], entry["lower"], entry["treat_all"]) == (
        point.model.value,
        point.model.lower,
        point.treat_all.value,
    )
    values = [result["net_benefit"]["at 0.1"][name]["value"] for name in RECORD.findings]
    assert result["net_benefit"]["at 0.1"]["macro"]["value"] == pytest.approx(np.mean(values))


def test_the_slope_of_logits_whose_probabilities_round_to_1():
    # Logits of 60 to 99: in float64 each probability is 1, and the slope of their logits would be undefined.
    given = outputs(score=np.full((N, 2), 0.5))
    given.logit[:] = np.arange(60.0, 100)[:, None]
    record = ModelRecord(RECORD.findings, {}, (0.5, 0.5), (0.5, 0.5))
    assert not math.isnan(metrics(given, samples(), record)["calibration_slope"]["Nodule"]["value"])
