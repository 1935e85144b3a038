"""The reported numbers: scikit-learn's values, thresholds from the record alone, null where undefined, warnings."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from app.engines.measures import metrics
from app.engines.outputs import BINS, Outputs
from app.engines.record import ModelRecord, choose_thresholds, record_of
from app.engines.results import flat, logged, table, write_cases, write_metrics, write_scores
from evaluation import auc_intervals, compare_predictions
from evaluation.calibration import expected_calibration_error
from evaluation.localisation import CORRECT_FROM
from evaluation.logits import logit_of, probability
from evaluation.predictions import read_predictions

N = 40
RECORD = ModelRecord(("Nodule", "Mass"), {}, (0.45, 0.65), (0.5, 0.5))


def histogram(values: list[float]) -> np.ndarray:
    return np.bincount(np.array([round(value * BINS) for value in values], dtype=int), minlength=BINS).astype(np.int32)


def located(*images: tuple[int, list[float], list[float]]) -> dict[str, np.ndarray]:
    """(finding, probabilities inside, outside) of the first images."""
    return {
        "located_row": np.arange(len(images)),
        "located_finding": np.array([finding for finding, _, _ in images], dtype=np.int64),
        "inside": np.array([histogram(inside) for _, inside, _ in images], dtype=np.int32).reshape(-1, BINS),
        "outside": np.array([histogram(outside) for _, _, outside in images], dtype=np.int32).reshape(-1, BINS),
        "missed": np.zeros(len(images)),
        "hit": np.array(
            [max(inside, default=0) > max(outside, default=0) for _, inside, outside in images], dtype=bool
        ),
    }


def outputs(findings: int = 2, **changes: np.ndarray) -> Outputs:
    generator = np.random.default_rng(0)
    score = generator.random((N, findings)).round(1)
    label = (generator.random((N, findings)) < 0.3 + 0.4 * score).astype(np.float32)
    given = {"index": np.arange(N), "score": score, "label": label} | located() | changes
    return Outputs(logit=logit_of(given.pop("score")), **given)


def samples(views: tuple[str, ...] = ("PA",), count: int = N, **attributes: list) -> list[dict]:
    """Items of one patient each; an attribute has one value an item, None where the item does not have it."""
    return [
        {
            "name": f"{i}.png",
            "patient": str(i),
            "study": "",
            "view": views[i % len(views)],
            "source": "reader",
            "attributes": {name: values[i] for name, values in attributes.items() if values[i] is not None},
        }
        for i in range(count)
    ]


def of_patients(names: list[str]) -> list[dict]:
    return [sample | {"patient": name} for sample, name in zip(samples(count=len(names)), names, strict=True)]


def with_unknown() -> Outputs:
    given = outputs()
    given.label[:5, 1] = -1
    given.label[5:8, 1] = -2
    return given


def test_auc_is_that_of_scikit_learn():
    given = with_unknown()
    result = metrics(given, samples(), RECORD)["auc"]
    first = oracle.roc_auc_score(given.label[:, 0], given.score[:, 0])
    second = oracle.roc_auc_score(given.label[8:, 1], given.score[8:, 1])
    assert result["Nodule"]["value"] == pytest.approx(first, abs=1e-12)
    assert result["Mass"]["value"] == pytest.approx(second, abs=1e-12)
    assert result["macro"]["value"] == pytest.approx((first + second) / 2, abs=1e-12)
    assert result["Nodule"]["lower"] < first < result["Nodule"]["upper"]
    assert result["Mass"]["unknown"] == 8
    assert result["Mass"]["present"] + result["Mass"]["absent"] == N - 8


@pytest.mark.parametrize(("c", "name"), [(0, "Nodule"), (1, "Mass")])
def test_measures_of_the_score_are_those_of_scikit_learn(c, name):
    given = with_unknown()
    result = metrics(given, samples(), RECORD)
    known = given.label[:, c] >= 0
    truth, score = given.label[known, c], given.score[known, c]
    called = score >= RECORD.score_thresholds[c]
    expected = {
        "average_precision": oracle.average_precision_score(truth, score),
        "sensitivity": oracle.recall_score(truth, called),
        "specificity": oracle.recall_score(truth, called, pos_label=0),
        "precision": oracle.precision_score(truth, called),
        "f1": oracle.f1_score(truth, called),
        "accuracy": oracle.accuracy_score(truth, called),
        "brier": oracle.brier_score_loss(truth, score),
    }
    for measure, value in expected.items():
        assert result[measure][name]["value"] == pytest.approx(value, abs=1e-12), measure
    for measure in ("average_precision", "sensitivity", "specificity", "precision", "f1", "accuracy"):
        assert result[measure][name]["lower"] < expected[measure] < result[measure][name]["upper"], measure
    for measure in ("sensitivity", "specificity", "precision", "f1", "accuracy"):
        assert result[measure][name]["threshold"] == RECORD.score_thresholds[c]
    assert result["average_precision"]["Mass"]["unknown"] == 8
    assert result["calibration_error"][name]["value"] == expected_calibration_error(score, truth)


def test_macro_is_the_mean_over_findings_of_every_measure():
    result = metrics(outputs(**located((0, [0.9], []), (1, [0.9, 0.1], []))), samples(), RECORD)
    measures = {name for name in result if "macro" in result[name]}
    assert {"auc", "f1", "brier", "dice", "dice_aggregated"} < measures
    for measure in measures:
        values = [result[measure][name]["value"] for name in RECORD.findings]
        assert result[measure]["macro"]["value"] == pytest.approx(np.mean(values), abs=1e-12), measure


def test_auc_by_view_is_that_of_each_views_cases():
    given = outputs()
    result = metrics(given, samples(("PA", "AP", "")), RECORD)["auc_by_view"]
    assert list(result) == ["AP", "PA", "unknown"]
    for name, start in (("PA", 0), ("AP", 1), ("unknown", 2)):
        expected = oracle.roc_auc_score(given.label[start::3, 0], given.score[start::3, 0])
        assert result[name]["Nodule"]["value"] == pytest.approx(expected, abs=1e-12)


def test_one_view_is_not_split_by():
    result = metrics(outputs(), samples(), RECORD)
    assert "auc_by_view" not in result
    assert result["auc_by"] == {}


def test_auc_by_attributes_that_make_a_few_groups():
    given = outputs()
    result = metrics(
        given,
        samples(
            sex=["FM"[i % 2] for i in range(N)],
            age=[(30, 50)[i // 20] for i in range(N)],
            hospital=["A"] * N,
            weight=[50 + i for i in range(N)],
            dozen=[f"{i % 12:02}" for i in range(N)],
            thirteen=[i % 13 for i in range(N)],
            unsaid=[None] * N,
            half_said=["yes" if i < 20 else None for i in range(N)],
        ),
        RECORD,
    )["auc_by"]
    # One group and more than twelve are left out; what is not said is a group of its own.
    assert {name: len(groups) for name, groups in result.items()} == {"age": 2, "dozen": 12, "half_said": 2, "sex": 2}
    assert result["half_said"].keys() == {"yes", "unknown"}
    assert result["age"].keys() == {"18-39", "40-59"}
    assert result["age"]["18-39"] == result["half_said"]["yes"]
    expected = oracle.roc_auc_score(given.label[1::2, 1], given.score[1::2, 1])
    assert result["sex"]["M"]["Mass"]["value"] == pytest.approx(expected, abs=1e-12)


def test_a_group_of_one_kind_has_no_area():
    given = outputs()
    given.label[:3] = 0
    views = [sample | {"view": "AP" if i < 3 else "PA"} for i, sample in enumerate(samples())]
    result = metrics(given, views, RECORD)["auc_by_view"]
    assert math.isnan(result["AP"]["Nodule"]["value"])
    assert math.isnan(result["AP"]["macro"]["value"])
    assert result["AP"]["Nodule"]["absent"] == 3


def test_cases_are_found_by_their_index_whatever_the_order_of_visit():
    given = outputs()
    order = np.random.default_rng(1).permutation(N)
    shuffled = outputs(index=order, score=given.score[order], label=given.label[order])
    expected, result = (flat(metrics(each, samples(("PA", "AP")), RECORD)) for each in (given, shuffled))
    assert result == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", ["auc", "dice", "dice_aggregated"])
def test_images_of_one_patient_widen_the_interval(measure):
    # Each case four times: as cases of their own they would claim half the standard error.
    images = [(0, [0.9] * (1 + i % 5), [0.9] * (i % 3)) for i in range(N)]
    given = outputs(**located(*images))
    repeated = {
        name: np.repeat(getattr(given, name), 4, axis=0)
        for name in ("score", "label", "inside", "outside", "missed", "hit")
    }
    four = outputs(
        index=np.arange(4 * N),
        located_row=np.arange(4 * N),
        located_finding=np.zeros(4 * N, dtype=np.int64),
        **repeated,
    )
    width = []
    for people in ([str(i) for i in range(4 * N)], [str(i // 4) for i in range(4 * N)]):
        entry = metrics(four, of_patients(people), RECORD)[measure]["Nodule"]
        width.append(entry["upper"] - entry["lower"])
    assert width[1] / width[0] == pytest.approx(2, rel=0.1)


def test_dice_by_hand():
    # At 0.5 the first image has 2 of 3 true pixels and 1 false: Dice 2*2/(3+3); the second 1 of 1 and none: 1.
    given = outputs(**located((0, [0.9, 0.6, 0.4], [0.7, 0.1]), (0, [0.5], [0.499, 0.0])))
    result = metrics(given, samples(), RECORD)
    # Student's interval for one degree of freedom reaches 12.706 standard errors of 1/6, which leaves [0, 1]: on the
    # logit scale it is logit(5/6) = log(5), -+ 12.706 / 6 / (5/6 * 1/6).
    reach = 12.7062 / 6 / (5 / 36)
    assert result["dice"]["Nodule"] == {
        "value": pytest.approx(5 / 6),
        "lower": pytest.approx(1 / (1 + math.exp(reach - math.log(5))), rel=1e-3),
        "upper": pytest.approx(1 / (1 + math.exp(-reach - math.log(5))), abs=1e-9),
        "images": 2,
        "threshold": 0.5,
        "worst": pytest.approx(2 / 3),
    }
    # All pixels as one image: 3 of 4 true ones and 1 false.
    assert result["dice_aggregated"]["Nodule"]["value"] == pytest.approx(6 / 8)
    assert result["dice_aggregated"]["Nodule"]["images"] == 2
    assert "Mass" not in result["dice"]


def test_aggregated_dice_counts_false_positives_where_the_finding_is_nowhere():
    # The third image is annotated as nowhere: its two pixels are wrong, and it has no Dice of its own.
    somewhere = [(0, [0.9, 0.6, 0.4], [0.7, 0.1]), (0, [0.5], [0.499, 0.0])]
    given = outputs(**located(*somewhere, (0, [], [0.9, 0.8, 0.1])))
    result = metrics(given, samples(), RECORD)
    assert result["dice_aggregated"]["Nodule"]["value"] == pytest.approx(6 / 10)
    assert result["dice_aggregated"]["Nodule"]["images"] == 3
    without = metrics(outputs(**located(*somewhere)), samples(), RECORD)
    assert result["dice"] == without["dice"]


def test_localisation_by_hand():
    # Overlaps of the maps from 0.5 on: 2 of 4 pixels (2 of 3 true, one false), all, none of one (nothing detected).
    given = outputs(**located((0, [0.9, 0.6, 0.4], [0.7]), (0, [0.5], [0.4]), (0, [0.2], [0.3]), (0, [], [0.9])))
    result = metrics(given, samples(), RECORD)
    hits = result["hit_rate"]["Nodule"]
    # The fourth image is annotated as nowhere, and no place in it is right.
    assert (hits["value"], hits["images"]) == (pytest.approx(2 / 3), 3)
    assert hits["lower"] < 2 / 3 < hits["upper"]
    shares = {
        measure: [result[measure][f"T {least}"]["Nodule"]["value"] for least in (0.1, 0.5, 0.6, 0.7)]
        for measure in ("iou_accuracy", "ior_accuracy")
    }
    # IoU: 2/4, 1 and 0. IoR: 2/3, 1 and 0.
    assert shares["iou_accuracy"] == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert shares["ior_accuracy"] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_nowhere_in_every_image_has_no_dice():
    result = metrics(outputs(**located((0, [], [0.9]))), samples(), RECORD)
    assert "dice" not in result


def test_no_dice_where_nothing_is_located():
    assert not {"dice", "dice_aggregated"} & metrics(outputs(), samples(), RECORD).keys()


def test_thresholds_are_those_of_validation():
    # Validation separates maps above 0.2 up to 0.3, the best of equals being the middle one, and scores from 0.3 on.
    # Test would want 0.8 for both, where everything would be right.
    score = np.repeat([[0.1, 0.5], [0.3, 0.5]], N // 2, axis=0)
    label = np.repeat([[0.0, -1.0], [1.0, -1.0]], N // 2, axis=0)
    validation = outputs(**located((0, [0.3, 0.3], [0.2]), (0, [0.4], [0.1])), score=score, label=label)
    record = choose_thresholds(validation, ("Nodule", "Mass"), {})
    assert record.score_thresholds == pytest.approx((0.3, 0.5))
    assert record.map_thresholds == (pytest.approx(0.25, abs=0.002), 0.5)
    test = outputs(**located((0, [0.9], [0.7])), score=np.minimum(score * 2 + 0.3, 1), label=label)
    result = metrics(test, samples(), record)
    # Both pixels lie above it: 2*1/(2+1), though a threshold chosen on test would give 1.
    assert result["dice"]["Nodule"]["value"] == pytest.approx(2 / 3)
    assert result["dice"]["Nodule"]["threshold"] == record.map_thresholds[0]
    # Scores are 0.5 and 0.9: all are called.
    assert result["specificity"]["Nodule"]["value"] == 0
    assert result["sensitivity"]["Nodule"]["value"] == 1
    assert result["sensitivity"]["Nodule"]["threshold"] == pytest.approx(0.3)


def treated(shortcut: bool, n: int = 400) -> tuple[Outputs, np.ndarray]:
    """Half of the present cases and none of the absent ones have a drain, which alone raises the score, or nothing."""
    generator = np.random.default_rng(0)
    label = np.repeat([0.0, 1.0], n // 2)
    drain = ((np.arange(n) % 2 == 1) & (label == 1)).astype(int)
    raised = drain if shortcut else label
    score = 1 / (1 + np.exp(-generator.normal(2 * raised, 1)))
    return outputs(1, index=np.arange(n), score=score[:, None], label=label[:, None]), drain


@pytest.mark.parametrize(
    ("attribute", "words"), [("drain", "a chest drain"), ("tube", "a tube"), ("cable", None)], ids=str
)
def test_a_finding_recognised_by_its_treatment_is_warned_of(attribute, words):
    given, drain = treated(shortcut=True)
    record = ModelRecord(("Pneumothorax",), {}, (0.5,), (0.5,))
    people = samples(count=400, **{attribute: drain.tolist()})
    warnings = metrics(given, people, record)["warnings"]
    if words is None:
        assert warnings == []
        return
    (warning,) = warnings
    treated_area = oracle.roc_auc_score(*[part[(drain == 1) | (given.label[:, 0] == 0)] for part in columns(given)])
    assert warning.startswith(f"Pneumothorax is recognised better where {words} is visible (AUC {treated_area:.2f}, ")
    # It stands under the table of the terminal, and in metrics.json.
    assert table({"warnings": warnings}).splitlines() == warnings


def columns(given: Outputs) -> tuple[np.ndarray, np.ndarray]:
    return given.label[:, 0], given.score[:, 0]


@pytest.mark.parametrize(
    ("shortcut", "value"),
    [(False, lambda d: d), (True, lambda d: None if d else 0), (True, lambda d: 1), (True, lambda d: "yn"[d])],
    ids=["no shortcut", "treated unknown", "all treated", "text"],
)
def test_no_warning_without_a_shortcut_or_where_treatments_are_not_told_apart(shortcut, value):
    record = ModelRecord(("Pneumothorax",), {}, (0.5,), (0.5,))
    given, drain = treated(shortcut)
    assert metrics(given, samples(count=400, drain=[value(d) for d in drain.tolist()]), record)["warnings"] == []


def test_a_treatment_as_truth_values_is_looked_at_too():
    record = ModelRecord(("Pneumothorax",), {}, (0.5,), (0.5,))
    given, drain = treated(shortcut=True)
    numbers, switches = (samples(count=400, drain=kind.tolist()) for kind in (drain, drain.astype(bool)))
    assert len(metrics(given, numbers, record)["warnings"]) == 1
    assert metrics(given, numbers, record)["warnings"] == metrics(given, switches, record)["warnings"]


def test_a_finding_that_does_not_occur_is_null(tmp_path):
    given = outputs()
    given.label[:, 1] = 0
    result = metrics(given, samples(), RECORD)
    assert math.isnan(result["auc"]["Mass"]["value"])
    # The mean is that of the other alone.
    assert result["auc"]["macro"]["value"] == result["auc"]["Nodule"]["value"]
    assert result["sensitivity"]["macro"]["value"] == result["sensitivity"]["Nodule"]["value"]
    write_metrics({"section": "test"} | result, tmp_path / "metrics.json")
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    read = json.loads(text)
    assert read["section"] == "test"
    assert read["auc"]["Mass"] == {"value": None, "lower": None, "upper": None, "present": 0, "absent": N, "unknown": 0}
    counts = {"present": 0, "absent": N, "unknown": 0}
    assert read["sensitivity"]["Mass"] == {
        **{"value": None, "lower": None, "upper": None, "threshold": 0.65},
        **{"logit_threshold": math.log(0.65 / 0.35), **counts},
    }
    assert read["auc"]["Nodule"]["value"] == result["auc"]["Nodule"]["value"]


def test_nothing_known_is_null_throughout():
    given = outputs()
    given.label[:] = -1
    result = metrics(given, samples(("PA", "AP")), RECORD)
    assert flat(result) == {}
    assert table(result) == ""


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_rows_of_scores_by_hand(tmp_path):
    first = samples(count=1)[0] | {"name": "a.png", "study": "s", "attributes": {"sex": "F"}}
    second = samples(count=1)[0] | {"name": 'b, "c".png', "patient": "2", "view": "", "attributes": {"age": 90}}
    given = outputs(
        index=np.array([1, 0]),
        score=np.array([[0.5, probability(-1.25)], [1.0, 0.0]]),
        label=np.array([[1, -2], [0, -1]], dtype=np.float32),
    )
    given.logit[0, 1] = -1.25
    write_scores(given, [first, second], ["Nodule", "Mass"], tmp_path / "predictions.csv")
    score = 1 / (1 + math.exp(1.25))
    assert rows_of(tmp_path / "predictions.csv") == [
        ["image", "patient", "finding", "label", "score", "logit", "study", "view", "source", "age", "sex"],
        ['b, "c".png', "2", "Nodule", "1", "0.5", "0.0", "", "", "reader", "90", ""],
        ['b, "c".png', "2", "Mass", "", repr(score), "-1.25", "", "", "reader", "90", ""],
        ["a.png", "0", "Nodule", "0", "1.0", "inf", "s", "PA", "reader", "", "F"],
        ["a.png", "0", "Mass", "-1", "0.0", "-inf", "s", "PA", "reader", "", "F"],
    ]


def test_scores_are_read_back_to_the_last_bit(tmp_path):
    given = outputs()
    given.logit[:] = np.random.default_rng(3).normal(0, 30, (N, 2))
    write_scores(given, samples(), RECORD.findings, tmp_path / "predictions.csv")
    read = read_predictions(tmp_path / "predictions.csv")
    assert read.findings == RECORD.findings
    np.testing.assert_array_equal(read.score, given.score)
    np.testing.assert_array_equal(read.logit, given.logit)
    np.testing.assert_array_equal(read.label, given.label)


def test_an_attribute_cannot_take_the_place_of_a_column(tmp_path):
    people = [sample | {"attributes": {"view": "oblique", "source": "other"}} for sample in samples()]
    write_scores(outputs(), people, RECORD.findings, tmp_path / "predictions.csv")
    assert set(read_predictions(tmp_path / "predictions.csv").attributes["view"]) == {"PA"}


def test_rows_of_cases_by_hand(tmp_path):
    # The Dice values of `test_dice_by_hand`, each finding at its own threshold; "nowhere" is no case.
    given = outputs(
        **located((0, [0.9, 0.6, 0.4], [0.7, 0.1]), (0, [], [0.9]), (1, [0.3], [0.1]), (0, [0.5], [])),
        index=np.arange(N)[::-1],
    )
    record = ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.2))
    write_cases(given, samples(), record, tmp_path / "cases.csv")
    assert rows_of(tmp_path / "cases.csv") == [
        ["image", "patient", "finding", "dice"],
        ["39.png", "39", "Nodule", "0.666667"],
        ["36.png", "36", "Nodule", "1"],
        ["37.png", "37", "Mass", "1"],
    ]


def test_no_case_is_a_header_alone(tmp_path):
    write_cases(outputs(), samples(), RECORD, tmp_path / "cases.csv")
    assert rows_of(tmp_path / "cases.csv") == [["image", "patient", "finding", "dice"]]


def test_localisation_accuracies_are_logged_by_finding_at_a_tenth_and_as_macros_above():
    entry = {"Nodule": {"value": 0.5}, "Mass": {"value": 0.7}, "macro": {"value": 0.6}}
    by_least = {f"T {least}": entry for least in CORRECT_FROM}
    names = logged({"iou_accuracy": by_least, "ior_accuracy": by_least}, RECORD.findings)
    measures = ("iou_accuracy", "ior_accuracy")
    expected = {f"{measure}.T 0.1.{name}" for measure in measures for name in entry}
    assert names.keys() == expected | {f"{m}.T {least}.macro" for m in measures for least in (0.2, 0.3, 0.4, 0.5)}
    assert names["iou_accuracy.T 0.1.Mass"] == 0.7
    assert logged({"auc": {}}, RECORD.findings) == {}


def test_flat_names_and_undefined_values_left_out():
    result = {
        "section": "test",
        "auc": {"Nodule": {"value": 0.8, "lower": 0.7}, "Mass": {"value": math.nan}},
        "auc_by_view": {"AP": {"macro": {"value": 0.5}}},
    }
    assert flat(result) == {"auc.Nodule": 0.8, "auc_by_view.AP.macro": 0.5}


def test_table_of_a_terminal():
    result = {
        "section": "test",
        "auc": {
            "Nodule, St. p. op.": {"value": 0.8, "lower": 0.7, "upper": 0.9, "present": 3, "absent": 4, "unknown": 0},
            "Mass": {"value": math.nan, "lower": math.nan, "upper": math.nan, "present": 0, "absent": 7, "unknown": 0},
            "macro": {"value": 0.8, "lower": math.nan, "upper": math.nan},
        },
        "dice": {"Nodule, St. p. op.": {"value": 0.25, "images": 3}},
    }
    assert table(result).splitlines() == [
        "auc Nodule, St. p. op.   0.800  [0.700, 0.900]  n = 3 present, 4 absent",
        "auc macro                0.800",
        "dice Nodule, St. p. op.  0.250  n = 3 images",
    ]


@pytest.mark.parametrize("findings", [("Nodule",), ("Nodule", "Mass")], ids=str)
def test_the_mean_of_a_single_finding_is_not_repeated_in_a_terminal(findings):
    record = ModelRecord(findings, {}, (0.5,) * 2, (0.5,) * 2)
    given = outputs(len(findings), **located((0, [0.9], [])))
    result = metrics(given, samples(("PA", "AP")), record)
    macro = {line.split("  ")[0] for line in table(result).splitlines() if "macro" in line}
    many = ("auc", "average_precision", "sensitivity", "specificity", "auc_by_view AP", "auc_by_view PA")
    # Dice is of one finding in both cases.
    assert macro == (set() if len(findings) == 1 else {f"{measure} macro" for measure in many})
    assert result["auc"]["macro"]["value"] > 0
    assert result["dice"]["macro"]["value"] == 1


def test_an_empty_table():
    assert table({"section": "test"}) == ""


def test_every_measure_counts_its_cases_and_takes_patients_together():
    given = with_unknown()
    alone = metrics(given, samples(), RECORD)
    twice = Outputs(
        **{name: np.repeat(getattr(given, name), 2, axis=0) for name in ("logit", "label")},
        **({"index": np.arange(2 * N)} | located()),
    )
    names = [str(i // 2) for i in range(2 * N)]
    doubled = metrics(twice, of_patients(names), RECORD)
    for measure in ("auc", "average_precision", "sensitivity", "specificity", "precision", "f1", "accuracy", "brier"):
        for name in RECORD.findings:
            one, two = alone[measure][name], doubled[measure][name]
            # The same picture of a patient twice is no more evidence than once.
            for limit in ("value", "lower", "upper"):
                assert two[limit] == pytest.approx(one[limit], abs=0.005), (measure, limit)
            assert [two[key] for key in ("present", "absent", "unknown")] == [
                2 * one[key] for key in ("present", "absent", "unknown")
            ]
    assert alone["calibration_error"]["Mass"]["unknown"] == 8


def test_macro_says_over_how_many_findings():
    given = outputs()
    given.label[:, 1] = 0
    given.label[0, 1] = 1  # an area, but no variance: left out of the macro area, counted out loud
    result = metrics(given, samples(), RECORD)
    assert result["auc"]["Mass"]["value"] >= 0
    assert result["auc"]["macro"]["findings"] == 1
    assert result["auc"]["macro"]["value"] == result["auc"]["Nodule"]["value"]
    assert result["brier"]["macro"]["findings"] == 2


def saturated() -> Outputs:
    """Two findings with logits that are all 1 as probabilities, the first in perfect order."""
    logit = np.stack([40 + np.arange(N), 40 + np.arange(N)[::-1]], axis=1).astype(np.float64)
    given = outputs()
    given.logit, given.label = logit, np.repeat(np.repeat([[0.0], [1.0]], N // 2, axis=0), 2, axis=1)
    return given


def test_every_ranking_of_saturated_scores_is_that_of_their_logits(tmp_path):
    given = saturated()
    assert set(given.score.ravel().tolist()) == {1.0}
    record = choose_thresholds(given, RECORD.findings, {})
    record.write(tmp_path / "model.pt")
    record = record_of(tmp_path / "model.pt", RECORD.findings, {})
    # Youden's point is the lowest logit of the present: 40 + N / 2.
    assert record.logit_thresholds[0] == 40 + N // 2
    result = metrics(given, samples(("PA", "AP")), record)
    for measure in ("auc", "average_precision", "sensitivity", "specificity", "accuracy"):
        assert result[measure]["Nodule"]["value"] == 1, measure
    assert result["auc"]["Mass"]["value"] == 0
    assert {view["Nodule"]["value"] for view in result["auc_by_view"].values()} == {1}
    assert result["sensitivity"]["Nodule"]["logit_threshold"] == 60
    # The table ranks for whoever reads it.
    write_scores(given, samples(("PA", "AP")), RECORD.findings, tmp_path / "predictions.csv")
    table = read_predictions(tmp_path / "predictions.csv")
    assert [area.value for area in auc_intervals(table.rank, table.label, table.patient)] == [1, 0]
    reversed_table = replace(table, logit=-table.logit, score=probability(-table.logit))
    assert [row.difference.value for row in compare_predictions(table, reversed_table).rows] == [1, -1]
