"""The record beside the weights: thresholds chosen on validation, findings, which must fit, and settings."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from app.engines.outputs import BINS, Outputs
from app.engines.record import ModelRecord, choose_thresholds, record_of, threshold_facts
from evaluation.logits import logit_of

SETTINGS = {"pixel_level": True, "growth": 16, "blocks": [3, 6]}
RECORD = ModelRecord(("Nodule", "Mass"), SETTINGS, (0.125, 0.1), (0.25, 1 / 3))


def outputs(score: np.ndarray, label: np.ndarray, inside: dict[int, list[float]] | None = None) -> Outputs:
    """Scores and labels (N, C); of each finding in ``inside`` one image with pixels of these probabilities."""
    located = inside or {}
    histograms = [np.bincount(np.round(np.array(p) * BINS).astype(int), minlength=BINS) for p in located.values()]
    return Outputs(
        index=np.arange(len(score)),
        logit=logit_of(score),
        label=label,
        located_row=np.zeros(len(located), dtype=np.int64),
        located_finding=np.array(list(located), dtype=np.int64),
        inside=np.array(histograms, dtype=np.int32).reshape(-1, BINS),
        outside=np.zeros((len(located), BINS), dtype=np.int32),
        missed=np.zeros(len(located)),
        hit=np.ones(len(located), dtype=bool),
    )


def kept(folder: Path, record: ModelRecord = RECORD) -> Path:
    """Write a record and return the path of its weights."""
    record.write(folder / "model.pt")
    return folder / "model.pt"


def test_a_record_is_read_back_exactly(tmp_path):
    assert RECORD.write(tmp_path / "model.pt") == tmp_path / "model.json"
    assert record_of(tmp_path / "model.pt", ("Nodule", "Mass")) == RECORD
    # A dot in the name is kept.
    assert RECORD.write(tmp_path / "best.0.91.pt") == tmp_path / "best.0.91.json"


def test_score_thresholds_are_youdens():
    generator = np.random.default_rng(0)
    score = generator.random((200, 3))
    label = (generator.random((200, 3)) < score).astype(np.float32)
    label[:20, 1], label[20:40, 2] = -1, -2
    record = choose_thresholds(outputs(score, label), ("a", "b", "c"), SETTINGS)
    for c in range(3):
        known = label[:, c] >= 0
        false, true, threshold = roc_curve(label[known, c], score[known, c], drop_intermediate=False)
        assert record.score_thresholds[c] == pytest.approx(threshold[np.argmax(true - false)], abs=1e-12)
    assert record.findings == ("a", "b", "c")
    assert record.settings == SETTINGS


WRONG_WAY = np.array([[0.1], [0.2], [0.3], [0.9]]), np.array([[1.0], [1.0], [0.0], [0.0]])


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_score_thresholds_are_those_that_were_asked_for(share, tmp_path):
    generator = np.random.default_rng(1)
    score = generator.random((200, 2))
    label = (generator.random((200, 2)) < score).astype(np.float32)
    given = outputs(score, label)
    for measure, kind in (("sensitivity", 1), ("specificity", 0)):
        record = choose_thresholds(given, ("a", "b"), SETTINGS, operating_point=f"{measure} {share}")
        record.write(tmp_path / "model.pt")
        assert record_of(tmp_path / "model.pt", ("a", "b")) == record
        assert record.operating_point == f"{measure} {share}"
        for c, threshold in enumerate(record.logit_thresholds):
            right = (given.logit[label[:, c] == kind, c] >= threshold) == kind
            assert right.mean() >= share
            # The next threshold on the strict, or lenient, side reaches less.
            others = given.logit[:, c]
            other = others[others > threshold].min(initial=np.inf) if kind else others[others < threshold].max()
            assert ((given.logit[label[:, c] == kind, c] >= other) == kind).mean() < share


def test_a_specificity_that_only_calling_nothing_reaches_is_kept(tmp_path):
    record = choose_thresholds(outputs(*WRONG_WAY), ("a",), {}, operating_point="specificity 1")
    (threshold,) = record.logit_thresholds
    assert threshold > logit_of(0.9)
    assert record.score_thresholds[0] == pytest.approx(0.9)
    assert "Infinity" not in record.write(tmp_path / "model.pt").read_text()


def test_a_record_says_by_which_rule_thresholds_were_chosen(tmp_path):
    record = choose_thresholds(outputs(*WRONG_WAY), ("Nodule",), {}, operating_point="sensitivity 0.95")
    facts = threshold_facts(record, "test", "")
    assert facts["chosen_for"] == "a sensitivity of at least 0.95, with the highest specificity"
    path = kept(tmp_path)
    content = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(content | {"operating_point": "best"}))
    with pytest.raises(ValueError, match=r"not 'best'"):
        record_of(path, ("Nodule", "Mass"))
    del content["operating_point"]  # as in earlier records
    path.with_suffix(".json").write_text(json.dumps(content))
    assert threshold_facts(record_of(path, ("Nodule", "Mass")), "test", "")["chosen_for"].endswith("(Youden's point)")


def test_map_thresholds_are_those_of_the_best_dice():
    # Everything from 0.401 to 0.6 is the best, 1: the middle of 200 equals. The second is nowhere located.
    given = outputs(np.zeros((1, 2)), np.ones((1, 2)), {0: [0.6]})
    given.outside[0, 400] = 1
    assert choose_thresholds(given, ("a", "b"), {}).map_thresholds == (0.5, 0.5)
    given.inside[:], given.outside[:] = 0, 0
    given.inside[0, 300] = given.outside[0, 100] = 1
    assert choose_thresholds(given, ("a", "b"), {}).map_thresholds == (0.2, 0.5)


def test_thresholds_of_aggregated_dice_count_false_positives():
    # Image 0: 4 pixels of the finding at 0.3. Image 1 has none, but 16 pixels at 0.2. At up to 0.2 the image alone has
    # Dice 1, both together 2 * 4 / (20 + 4) = 1/3; from 0.201 to 0.3 both have 1: the middle of 100 equals is 0.25.
    given = outputs(np.zeros((2, 1)), np.array([[1], [0]]), {0: [0.3] * 4})
    given.located_row, given.located_finding = np.array([0, 1]), np.array([0, 0])
    given.inside, given.outside = (np.zeros((2, BINS), dtype=np.int32) for _ in range(2))
    given.missed = np.zeros(2)
    given.inside[0, 300], given.outside[1, 200] = 4, 16
    record = choose_thresholds(given, ("a",), {})
    assert record.map_thresholds == (0.15,)
    assert record.aggregate_thresholds == (0.25,)


def test_a_record_without_aggregate_thresholds_has_those_of_maps(tmp_path):
    path = kept(tmp_path)
    content = json.loads(path.with_suffix(".json").read_text())
    del content["aggregate_thresholds"]
    path.with_suffix(".json").write_text(json.dumps(content))
    assert record_of(path, ("Nodule", "Mass")).aggregate_thresholds == RECORD.map_thresholds


def test_images_annotated_as_nowhere_choose_no_map_threshold():
    # If the empty one counted as 0 or 1, thresholds above 0.9 would be best.
    given = outputs(np.zeros((1, 1)), np.zeros((1, 1)), {0: []})
    given.outside[0, 900] = 50
    record = choose_thresholds(given, ("a",), {})
    assert record.map_thresholds == record.aggregate_thresholds == (0.5,)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, -2.0], ids=["absent", "present", "uncertain", "not said"])
def test_one_kind_of_case_chooses_no_score_threshold(value):
    record = choose_thresholds(outputs(np.full((3, 1), 0.9), np.full((3, 1), value)), ("a",), {})
    assert record.score_thresholds == (0.5,)
    assert record.map_thresholds == (0.5,)


def test_scores_that_rank_the_wrong_way_round_choose_no_threshold(tmp_path):
    # Youden's point is to call no case present, at a threshold of infinity, which JSON cannot express.
    record = choose_thresholds(outputs(np.array([[0.1], [0.9]]), np.array([[1.0], [0.0]])), ("a",), {})
    assert record.score_thresholds == (0.5,)
    assert "Infinity" not in record.write(tmp_path / "model.pt").read_text()


def test_without_a_record_thresholds_are_one_half(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        record = record_of(tmp_path / "model.pt", ("Nodule", "Mass"))
    assert record == ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.5))
    (line,) = caplog.messages
    assert line == (
        f"{tmp_path / 'model.json'} is missing: thresholds chosen on validation are not known, 0.5 is used instead"
    )


def test_a_record_without_logits_has_those_of_its_probabilities(tmp_path):
    path = kept(tmp_path)
    content = json.loads(path.with_suffix(".json").read_text())
    del content["logit_thresholds"]
    path.with_suffix(".json").write_text(json.dumps(content))
    # By hand: log(0.125 / 0.875) and log(0.1 / 0.9).
    expected = pytest.approx((-np.log(7), -np.log(9)))
    assert record_of(path, ("Nodule", "Mass")).logit_thresholds == expected
    # A threshold of 0 is one of minus infinity, which JSON cannot express.
    path.with_suffix(".json").write_text(json.dumps(content | {"score_thresholds": [0.5, 0.0]}))
    record = record_of(path, ("Nodule", "Mass"))
    assert record.logit_thresholds == (0, -np.inf)
    assert "Infinity" not in record.write(path).read_text()
    # Both forms must agree.
    path.with_suffix(".json").write_text(json.dumps(content | {"logit_thresholds": [0, 1]}))
    with pytest.raises(ValueError, match=r"logit_thresholds \[0.0, 1.0\] are not those of score_thresholds"):
        record_of(path, ("Nodule", "Mass"))


@pytest.mark.parametrize("findings", [("Mass", "Nodule"), ("Nodule",), ("a", "b")], ids=str)
def test_weights_trained_for_other_findings_are_refused(tmp_path, findings):
    path = kept(tmp_path)
    with pytest.raises(ValueError, match="in this order") as caught:
        record_of(path, findings)
    assert str(caught.value).startswith(f"{path} was trained for Nodule, Mass, not for {', '.join(findings)}")


def test_a_record_names_its_bundle_first(tmp_path):
    record = replace(RECORD, bundle="nodule_detection", version="0.1.0")
    path = kept(tmp_path, record)
    assert list(json.loads(path.with_suffix(".json").read_text()))[:3] == ["bundle", "version", "findings"]
    assert record_of(path, RECORD.findings) == record


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '{"findings": ["Nodule"]}', json.dumps({"findings": 3, "settings": {}}), "\x00"],
    ids=["empty", "cut off", "list", "number", "keys missing", "wrong type", "no text"],
)
def test_a_damaged_record_is_named(tmp_path, text):
    path = kept(tmp_path)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match=r"model\.json: not a record of a model's settings and thresholds \(.+\)"):
        record_of(path, ("Nodule", "Mass"))


@pytest.mark.parametrize("key", ["score_thresholds", "map_thresholds"])
@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5, 0.5], [0.5, float("nan")]], ids=str)
def test_a_record_without_a_threshold_for_each_finding_is_refused(tmp_path, key, values):
    path = kept(tmp_path)
    content = json.loads(path.with_suffix(".json").read_text()) | {key: values}
    path.with_suffix(".json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"model\.json: not a record .*{key} \[.*\] for 2 findings"):
        record_of(path, ("Nodule", "Mass"))


def test_a_threshold_that_validation_could_not_choose_is_reported(caplog):
    score, label = np.array([[0.1, 0.2], [0.9, 0.6]]), np.array([[0, 0], [1, 0]])
    with caplog.at_level(logging.WARNING):
        record = choose_thresholds(outputs(score, label), ("Nodule", "Mass"), SETTINGS)
    assert record.score_thresholds == pytest.approx((0.9, 0.5))
    assert caplog.messages == ["Mass: validation chose no threshold of scores; 0.5 is used instead"]


ABOUT = {"data": "chests", "split": "abc", "section": "validation"}


@pytest.mark.parametrize(
    ("about", "section", "split", "warning"),
    [
        (ABOUT, "validation", "abc", "thresholds were chosen on the very cases of this validation section"),
        (ABOUT, "test", "abc", None),
        (ABOUT, "training", "abc", "the weights were trained on the very cases of this training section"),
        (ABOUT, "validation", "of other data", None),
        ({}, "validation", "abc", "thresholds may have been chosen on the very cases of this validation section"),
        ({}, "test", "abc", None),
    ],
    ids=["validation", "test", "training", "other data", "an old record", "an old record on test"],
)
def test_a_section_that_chose_the_thresholds_is_warned_of(tmp_path, about, section, split, warning):
    record = record_of(kept(tmp_path, replace(RECORD, chosen_on=about)), ("Nodule", "Mass"))
    facts = threshold_facts(record, section, split)
    known = "the validation section of chests" if about else "cases that the record does not name"
    assert facts["chosen_on"] == known
    assert facts.get("warning", "").startswith(warning or "")
    assert ("warning" in facts) == (warning is not None)
