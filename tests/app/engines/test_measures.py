"""The reported measures: scikit-learn's values, and thresholds from the record alone."""

import math

import numpy as np
import pytest
from sklearn import metrics as oracle

from app.engines.measures import metrics
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord, choose_thresholds
from app.engines.results import flat, table
from evaluation.calibration import expected_calibration_error
from tests.app.engines.made_outputs import RECORD, N, located, of_patients, outputs, samples, with_unknown


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
        assert result[measure]["macro"]["value"] == pytest.approx(np.mean(values), abs=1e-12, nan_ok=True), measure


def test_auc_by_view_is_that_of_each_views_cases():
    given = outputs()
    result = metrics(given, samples(("PA", "AP", "")), RECORD)["auc_by_view"]
    assert list(result) == ["AP", "PA", "unknown"]
    for name, start in (("PA", 0), ("AP", 1), ("unknown", 2)):
        expected = oracle.roc_auc_score(given.label[start::3, 0], given.score[start::3, 0])
        assert result[name]["Nodule"]["value"] == pytest.approx(expected, abs=1e-12)


def test_a_single_view_makes_no_groups():
    result = metrics(outputs(), samples(), RECORD)
    assert "auc_by_view" not in result
    assert result["auc_by"] == {}


def test_auc_by_attributes_with_a_few_values():
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
    # One group and more than twelve are left out; unknown values are a group of their own.
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


def test_the_order_of_items_does_not_matter():
    given = outputs()
    order = np.random.default_rng(1).permutation(N)
    shuffled = outputs(index=order, score=given.score[order], label=given.label[order])
    expected, result = (flat(metrics(each, samples(("PA", "AP")), RECORD)) for each in (given, shuffled))
    assert result == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", ["auc", "dice", "dice_aggregated"])
def test_images_of_one_patient_widen_the_interval(measure):
    # Each case four times: as independent cases they would have half the standard error.
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
        "patients": 2,
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
    # The fourth image is annotated as nowhere, and no point in it is correct.
    assert (hits["value"], hits["images"]) == (pytest.approx(2 / 3), 3)
    assert hits["lower"] < 2 / 3 < hits["upper"]
    shares = {
        measure: [result[measure][f"T {least}"]["Nodule"]["value"] for least in (0.1, 0.5, 0.6, 0.7)]
        for measure in ("iou_accuracy", "ior_accuracy")
    }
    # IoU: 2/4, 1 and 0. IoR: 2/3, 1 and 0.
    assert shares["iou_accuracy"] == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert shares["ior_accuracy"] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_a_finding_that_is_nowhere_has_no_dice():
    result = metrics(outputs(**located((0, [], [0.9]))), samples(), RECORD)
    assert "dice" not in result


def test_no_dice_where_nothing_is_located():
    assert not {"dice", "dice_aggregated"} & metrics(outputs(), samples(), RECORD).keys()


def test_thresholds_are_those_of_validation():
    # Validation separates maps above 0.2 up to 0.3, the best of equals being the middle one, and scores from 0.3 on.
    # The best thresholds on test would be 0.8 for both.
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
    # Scores are 0.5 and 0.9: all are called present.
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
def test_a_finding_recognised_by_its_treatment_gives_a_warning(attribute, words):
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
    # It is printed below the table.
    assert table({"warnings": warnings}).splitlines() == warnings


def columns(given: Outputs) -> tuple[np.ndarray, np.ndarray]:
    return given.label[:, 0], given.score[:, 0]


@pytest.mark.parametrize(
    ("shortcut", "value"),
    [(False, lambda d: d), (True, lambda d: None if d else 0), (True, lambda d: 1), (True, lambda d: "yn"[d])],
    ids=["no shortcut", "treated unknown", "all treated", "text"],
)
def test_no_warning_without_a_shortcut_or_with_unknown_treatments(shortcut, value):
    record = ModelRecord(("Pneumothorax",), {}, (0.5,), (0.5,))
    given, drain = treated(shortcut)
    assert metrics(given, samples(count=400, drain=[value(d) for d in drain.tolist()]), record)["warnings"] == []


def test_a_treatment_may_be_given_as_booleans():
    record = ModelRecord(("Pneumothorax",), {}, (0.5,), (0.5,))
    given, drain = treated(shortcut=True)
    numbers, switches = (samples(count=400, drain=kind.tolist()) for kind in (drain, drain.astype(bool)))
    assert len(metrics(given, numbers, record)["warnings"]) == 1
    assert metrics(given, numbers, record)["warnings"] == metrics(given, switches, record)["warnings"]


def test_without_known_labels_nothing_is_defined():
    given = outputs()
    given.label[:] = -1
    result = metrics(given, samples(("PA", "AP")), RECORD)
    assert flat(result) == {}
    assert table(result) == ""


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
            # The same image of a patient twice is no more evidence than once.
            for limit in ("value", "lower", "upper"):
                assert two[limit] == pytest.approx(one[limit], abs=0.005), (measure, limit)
            assert [two[key] for key in ("present", "absent", "unknown")] == [
                2 * one[key] for key in ("present", "absent", "unknown")
            ]
            for key in ("present", "absent"):
                assert two[f"{key}_patients"] == one[f"{key}_patients"] == one[key]
    assert alone["calibration_error"]["Mass"]["unknown"] == 8


def test_macro_counts_the_findings():
    given = outputs()
    given.label[:, 1] = 0
    given.label[0, 1] = 1  # an area, but no variance: not counted in the macro area
    result = metrics(given, samples(), RECORD)
    assert result["auc"]["Mass"]["value"] >= 0
    assert result["auc"]["macro"]["findings"] == 1
    assert result["auc"]["macro"]["value"] == result["auc"]["Nodule"]["value"]
    assert result["brier"]["macro"]["findings"] == 2
