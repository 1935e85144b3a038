"""The reported numbers: scikit-learn's values, thresholds from validation alone, null where undefined."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from app.engines.outputs import BINS, Outputs
from app.engines.results import flat, map_thresholds, metrics, table, write_metrics

N = 40


def histogram(values: list[float]) -> np.ndarray:
    return np.bincount(np.array([round(value * BINS) for value in values], dtype=int), minlength=BINS).astype(np.int32)


def located(*images: tuple[int, list[float], list[float]]) -> dict[str, np.ndarray]:
    """(finding, probabilities inside, outside) of the first images."""
    return {
        "located_row": np.arange(len(images)),
        "located_finding": np.array([finding for finding, _, _ in images], dtype=np.int64),
        "inside": np.array([histogram(inside) for _, inside, _ in images], dtype=np.int32).reshape(-1, BINS),
        "outside": np.array([histogram(outside) for _, _, outside in images], dtype=np.int32).reshape(-1, BINS),
    }


def outputs(findings: int = 2, **changes: np.ndarray) -> Outputs:
    generator = np.random.default_rng(0)
    score = generator.random((N, findings)).round(1)
    label = (generator.random((N, findings)) < 0.3 + 0.4 * score).astype(np.float32)
    return Outputs(**({"index": np.arange(N), "score": score, "label": label} | located() | changes))


def samples(views: tuple[str, ...] = ("PA",)) -> list[dict]:
    return [{"patient": str(i), "view": views[i % len(views)]} for i in range(N)]


def test_auc_is_that_of_scikit_learn():
    given = outputs()
    given.label[:5, 1] = -1
    given.label[5:8, 1] = -2
    result = metrics(given, samples(), ["Nodule", "Mass"], [0.5, 0.5])["auc"]
    first = roc_auc_score(given.label[:, 0], given.score[:, 0])
    second = roc_auc_score(given.label[8:, 1], given.score[8:, 1])
    assert result["Nodule"]["value"] == pytest.approx(first, abs=1e-12)
    assert result["Mass"]["value"] == pytest.approx(second, abs=1e-12)
    assert result["macro"]["value"] == pytest.approx((first + second) / 2, abs=1e-12)
    assert result["Nodule"]["lower"] < first < result["Nodule"]["upper"]
    assert result["Mass"]["unknown"] == 8
    assert result["Mass"]["present"] + result["Mass"]["absent"] == N - 8


def test_auc_by_view_is_that_of_each_views_cases():
    given = outputs()
    result = metrics(given, samples(("PA", "AP", "")), ["Nodule", "Mass"], [0.5, 0.5])["auc_by_view"]
    assert list(result) == ["unknown", "AP", "PA"]
    for name, start in (("PA", 0), ("AP", 1), ("unknown", 2)):
        expected = roc_auc_score(given.label[start::3, 0], given.score[start::3, 0])
        assert result[name]["Nodule"]["value"] == pytest.approx(expected, abs=1e-12)


def test_one_view_is_not_split_by():
    assert "auc_by_view" not in metrics(outputs(), samples(), ["a", "b"], [0.5, 0.5])


def test_cases_are_found_by_their_index_whatever_the_order_of_visit():
    given = outputs()
    order = np.random.default_rng(1).permutation(N)
    shuffled = outputs(index=order, score=given.score[order], label=given.label[order])
    arguments = samples(("PA", "AP")), ["Nodule", "Mass"], [0.5, 0.5]
    assert metrics(shuffled, *arguments) == metrics(given, *arguments)


def test_images_of_one_patient_widen_the_interval():
    # Each case four times: as cases of their own they would claim half the standard error.
    given = outputs()
    repeated = {name: np.repeat(getattr(given, name), 4, axis=0) for name in ("score", "label")}
    four = outputs(index=np.arange(4 * N), **repeated)
    apart = [{"patient": str(i), "view": ""} for i in range(4 * N)]
    together = [{"patient": str(i // 4), "view": ""} for i in range(4 * N)]
    width = []
    for people in (apart, together):
        entry = metrics(four, people, ["a", "b"], [0.5, 0.5])["auc"]["a"]
        width.append(entry["upper"] - entry["lower"])
    assert width[1] / width[0] == pytest.approx(2, rel=0.1)


def test_dice_by_hand():
    # At 0.5 the first image has 2 of 3 true pixels and 1 false: Dice 2*2/(3+3); the second 1 of 1 and none: 1.
    given = outputs(**located((0, [0.9, 0.6, 0.4], [0.7, 0.1]), (0, [0.5], [0.499, 0.0])))
    result = metrics(given, samples(), ["Nodule", "Mass"], [0.5, 0.5])["dice"]
    assert result == {
        "Nodule": {"value": pytest.approx(5 / 6), "worst": pytest.approx(2 / 3), "images": 2, "threshold": 0.5},
        "macro": {"value": pytest.approx(5 / 6)},
    }


def test_macro_dice_is_the_mean_over_located_findings():
    given = outputs(**located((0, [0.9], []), (0, [0.9], []), (1, [0.9, 0.1], [])))
    result = metrics(given, samples(), ["Nodule", "Mass"], [0.5, 0.5])["dice"]
    # 1, and 2*1/(2+1).
    assert result["macro"]["value"] == pytest.approx((1 + 2 / 3) / 2)


def test_no_dice_where_nothing_is_located():
    assert "dice" not in metrics(outputs(), samples(), ["a", "b"], [0.5, 0.5])


def test_thresholds_are_those_of_validation():
    # Validation separates at anything above 0.2 up to 0.3; the best of equals is the middle one. Test would want 0.8.
    validation = outputs(**located((0, [0.3, 0.3], [0.2]), (0, [0.4], [0.1])))
    test = outputs(**located((0, [0.9], [0.7])))
    thresholds = map_thresholds(validation)
    assert thresholds == [pytest.approx(0.25, abs=0.002), 0.5]
    result = metrics(test, samples(), ["Nodule", "Mass"], thresholds)["dice"]["Nodule"]
    # Both pixels lie above it: 2*1/(2+1), though a threshold chosen on test would give 1.
    assert result["value"] == pytest.approx(2 / 3)
    assert result["threshold"] == thresholds[0]


def test_a_finding_that_does_not_occur_is_null(tmp_path):
    given = outputs()
    given.label[:, 1] = 0
    result = metrics(given, samples(), ["Nodule", "Mass"], [0.5, 0.5])
    assert math.isnan(result["auc"]["Mass"]["value"])
    # The mean is that of the other alone.
    assert result["auc"]["macro"]["value"] == result["auc"]["Nodule"]["value"]
    write_metrics({"section": "test"} | result, tmp_path / "metrics.json")
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    read = json.loads(text)
    assert read["section"] == "test"
    assert read["auc"]["Mass"] == {"value": None, "lower": None, "upper": None, "present": 0, "absent": N, "unknown": 0}
    assert read["auc"]["Nodule"]["value"] == result["auc"]["Nodule"]["value"]


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


def test_an_empty_table():
    assert table({"section": "test"}) == ""
