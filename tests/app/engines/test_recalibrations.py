"""Recalibration in a model's record: kept, applied, and without effect on ranks and calls."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from app.engines.ensemble import loaded
from app.engines.measures import metrics
from app.engines.outputs import Outputs
from app.engines.recalibrations import require_choice, with_recalibration
from app.engines.record import ModelRecord, choose_thresholds, record_of
from evaluation.logits import logit_of_mean, probability
from evaluation.recalibration import IsotonicRecalibration, LogisticRecalibration
from tests.app.engines.made_outputs import samples
from tests.app.engines.test_ensemble import Constant, kept

FINDINGS = ("Nodule", "Mass")
N = 400


def validated(seed: int = 0) -> Outputs:
    """Nodule is far too extreme; Mass has five present cases."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 3, (N, 2))
    label = (random.random((N, 2)) < probability(0.3 * logit - 1)).astype(np.float32)
    label[:, 1] = np.arange(N) < 5
    return Outputs(np.arange(N), logit, label)


def record(method: str = "platt") -> ModelRecord:
    plain = choose_thresholds(validated(), FINDINGS, {})
    return with_recalibration(plain, validated(), samples(count=N), method)


def test_none_leaves_the_record_as_it_is(tmp_path):
    plain = choose_thresholds(validated(), FINDINGS, {})
    assert record("none") == plain
    assert "recalibration" not in json.loads(plain.write(tmp_path / "model.pt").read_text())


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic", "best"])
def test_a_recalibrated_record_is_read_back_and_calls_the_same(tmp_path, method):
    plain, given = choose_thresholds(validated(), FINDINGS, {}), record(method)
    given.write(tmp_path / "model.pt")
    assert record_of(tmp_path / "model.pt", FINDINGS) == given
    assert given.logit_thresholds == plain.logit_thresholds
    test = validated(1)
    is_called = test.logit >= np.array(given.logit_thresholds)
    scores = probability(given.calibrated(test.logit))
    assert (scores[is_called[:, 0], 0] >= given.score_thresholds[0]).all()
    assert (scores[~is_called[:, 0], 0] <= given.score_thresholds[0]).all()
    # Too few cases: unchanged.
    assert given.recalibration[1] == LogisticRecalibration()
    np.testing.assert_array_equal(scores[:, 1], probability(test.logit[:, 1]))


def test_what_was_chosen_is_told(caplog):
    with caplog.at_level(logging.INFO):
        record("best")
    nodule, mass = caplog.messages
    assert nodule.startswith(
        "Nodule: recalibration platt, the simplest within a standard error of the lowest log loss ("
    )
    assert mass == (
        "Mass: recalibration none, 5 patients with and 395 without the finding are too few: 20 of each are needed"
    )


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_reports_show_before_and_after_and_the_same_areas(method):
    given, test = record(method), validated(1)
    plain = replace(given, recalibration=(), score_thresholds=tuple(probability(given.logit_thresholds).tolist()))
    before, after = (metrics(test, samples(count=N), each) for each in (plain, given))
    for measure in ("auc", "average_precision"):
        assert after[measure] == before[measure]
    for measure in ("sensitivity", "specificity"):
        assert after[measure]["Nodule"]["value"] == before[measure]["Nodule"]["value"]
        assert after[measure]["Nodule"]["threshold"] == given.score_thresholds[0]
    gain = after["recalibration"]
    assert gain["forms"] == {"Nodule": method, "Mass": "none"}
    for measure in ("calibration_slope", "calibration_error_debiased", "brier"):
        assert gain[measure]["before"]["Nodule"] == before[measure]["Nodule"]
        assert gain[measure]["after"]["Nodule"] == after[measure]["Nodule"]
    assert gain["calibration_slope"]["before"]["Nodule"]["upper"] < 0.5
    assert (
        gain["calibration_slope"]["after"]["Nodule"]["lower"]
        < 1
        < gain["calibration_slope"]["after"]["Nodule"]["upper"]
    )
    assert gain["brier"]["after"]["Nodule"]["value"] < gain["brier"]["before"]["Nodule"]["value"]
    assert "recalibration" not in before


def test_scores_of_outputs_are_recalibrated_and_logits_are_not():
    given = replace(validated(), recalibration=record("platt").recalibration)
    np.testing.assert_array_equal(given.logit, validated().logit)
    np.testing.assert_allclose(given.score, probability(record("platt").calibrated(given.logit)))


def test_some_of_the_findings_and_studies_keep_their_form():
    given = record("platt")
    assert given.of_findings([1]).recalibration == given.recalibration[1:]
    of_studies = replace(given, study_thresholds=(2.0, 3.0)).of_studies()
    assert of_studies.score_thresholds == pytest.approx(probability(given.calibrated([2.0, 3.0])).tolist())


def test_an_ensemble_scores_by_the_mean_of_its_members_forms(tmp_path):
    paths = [kept(tmp_path, "a.pt", 2.0, 0.4), kept(tmp_path, "b.pt", -1.0, 0.8)]
    first = record_of(paths[0], ("Nodule",))
    form = LogisticRecalibration("platt", 0.5, -1.0)
    scores = probability(form.logits(first.logit_thresholds))
    replace(first, recalibration=(form,), score_thresholds=tuple(scores.tolist())).write(paths[0])
    _, both = loaded(Constant(), [str(path) for path in paths], ("Nodule",))
    logit = logit_of_mean([[2.0], [-1.0]])
    expected = (probability(form.logits(logit)) + probability(logit)) / 2
    assert probability(both.calibrated(logit)) == pytest.approx(expected)
    # What is called does not depend on recalibration.
    assert both.logit_thresholds == pytest.approx(logit_of_mean([[np.log(0.4 / 0.6)], [np.log(4)]]).tolist())
    assert both.score_thresholds == pytest.approx(probability(both.calibrated(both.logit_thresholds)).tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recalibration": [{"method": "beta"}, {}]}, "none of none, temperature, platt, isotonic"),
        ({"recalibration": [{"method": "none", "slope": 1.0, "intercept": 0.0}]}, "1 recalibrations for 2"),
        ({"score_thresholds": [0.5, 0.5]}, "are not those of score_thresholds"),
        ({"logit_thresholds": []}, "logit_thresholds do not follow from score_thresholds that are recalibrated"),
    ],
    ids=["unknown", "too few", "other thresholds", "no logits"],
)
def test_damaged_forms_are_refused(tmp_path, change, message):
    path = record("platt").write(tmp_path / "model.pt")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        record_of(tmp_path / "model.pt", FINDINGS)


def test_isotonic_forms_are_rounded_by_nothing(tmp_path):
    given = record("isotonic")
    given.write(tmp_path / "model.pt")
    read = record_of(tmp_path / "model.pt", FINDINGS).recalibration[0]
    assert isinstance(read, IsotonicRecalibration)
    assert read == given.recalibration[0]


def test_unknown_choices_are_refused():
    require_choice("best")
    with pytest.raises(
        ValueError, match="recalibration is one of none, temperature, platt, isotonic, best, not 'beta'"
    ):
        require_choice("beta")
