"""The files of results, logged metrics, and the table on the terminal."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.comparing.cases import read_cases
from app.engines.measures import metrics
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord, choose_thresholds, record_of
from app.engines.results import flat, logged, table, write_cases, write_metrics, write_scores
from evaluation import auc_intervals, compare_predictions
from evaluation.localisation import CORRECT_FROM
from evaluation.logits import probability
from evaluation.predictions import read_predictions
from tests.app.engines.made_outputs import RECORD, N, located, outputs, samples


def test_a_finding_that_does_not_occur_is_written_as_null(tmp_path):
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
    counts = {"present": 0, "absent": N, "unknown": 0, "present_patients": 0, "absent_patients": N}
    assert read["auc"]["Mass"] == {"value": None, "lower": None, "upper": None} | counts
    assert read["sensitivity"]["Mass"] == {
        **{"value": None, "lower": None, "upper": None, "threshold": 0.65},
        **{"logit_threshold": math.log(0.65 / 0.35), **counts},
    }
    assert read["auc"]["Nodule"]["value"] == result["auc"]["Nodule"]["value"]


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


def test_attributes_do_not_replace_columns(tmp_path):
    people = [sample | {"attributes": {"view": "oblique", "source": "other"}} for sample in samples()]
    write_scores(outputs(), people, RECORD.findings, tmp_path / "predictions.csv")
    assert set(read_predictions(tmp_path / "predictions.csv").attributes["view"]) == {"PA"}


def test_rows_of_cases_by_hand(tmp_path):
    # Dice at the threshold of each finding, overlaps at 0.5, by counting; "nowhere" is not a case.
    given = outputs(
        **located((0, [0.9, 0.6, 0.4], [0.7, 0.1]), (0, [], [0.9]), (1, [0.3], [0.1]), (0, [0.5], [])),
        index=np.arange(N)[::-1],
    )
    record = ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.2))
    write_cases(given, samples(), record, tmp_path / "cases.csv")
    assert rows_of(tmp_path / "cases.csv") == [
        ["image", "patient", "finding", "dice", "iou", "ior", "hit"],
        ["39.png", "39", "Nodule", repr(4 / 6), "0.5", repr(2 / 3), "1"],
        ["36.png", "36", "Nodule", "1.0", "1.0", "1.0", "1"],
        ["37.png", "37", "Mass", "1.0", "0.0", "0.0", "1"],
    ]


def test_without_cases_there_is_only_a_header(tmp_path):
    write_cases(outputs(), samples(), RECORD, tmp_path / "cases.csv")
    assert rows_of(tmp_path / "cases.csv") == [["image", "patient", "finding", "dice", "iou", "ior", "hit"]]


def test_cases_are_read_back_to_the_last_bit(tmp_path):
    generator = np.random.default_rng(4)
    values = [generator.random(size).tolist() for size in generator.integers(1, 30, 2 * N)]
    given = outputs(**located(*((n % 2, values[2 * n], values[2 * n + 1]) for n in range(N))))
    write_cases(given, samples(), RECORD, tmp_path / "cases.csv")
    read = read_cases(tmp_path / "cases.csv").value
    for c, finding in enumerate(RECORD.findings):
        overlaps, dice = given.overlaps(c, 0.5), given.dice(c, RECORD.map_thresholds[c])[1]
        expected = {"dice": dice, "iou": overlaps.iou, "ior": overlaps.ior, "hit": overlaps.hit}
        for measure, column in expected.items():
            assert [read[measure][f"{row}.png", finding] for row in overlaps.rows] == column.tolist()


def test_localisation_accuracies_are_logged_at_a_tenth_alone():
    entry = {"Nodule": {"value": 0.5}, "Mass": {"value": 0.7}, "macro": {"value": 0.6}}
    by_least = {f"T {least}": entry for least in CORRECT_FROM}
    names = logged({"iou_accuracy": by_least, "ior_accuracy": by_least}, RECORD.findings)
    measures = ("iou_accuracy", "ior_accuracy")
    assert names.keys() == {f"{measure}.T 0.1.{name}" for measure in measures for name in entry}
    assert names["iou_accuracy.T 0.1.Mass"] == 0.7
    assert logged({"auc": {}}, RECORD.findings) == {}


def test_flat_leaves_out_undefined_values():
    result = {
        "section": "test",
        "auc": {"Nodule": {"value": 0.8, "lower": 0.7}, "Mass": {"value": math.nan}},
        "auc_by_view": {"AP": {"macro": {"value": 0.5}}},
    }
    assert flat(result) == {"auc.Nodule": 0.8, "auc_by_view.AP.macro": 0.5}


def test_the_table_for_the_terminal():
    counts = {"present": 3, "absent": 4, "unknown": 0, "present_patients": 1, "absent_patients": 4}
    result = {
        "section": "test",
        "auc": {
            "Nodule, St. p. op.": {"value": 0.8, "lower": 0.7, "upper": 0.9} | counts,
            "Mass": {"value": math.nan, "lower": math.nan, "upper": math.nan} | counts,
            "macro": {"value": 0.8, "lower": math.nan, "upper": math.nan},
        },
        "dice": {"Nodule, St. p. op.": {"value": 0.25, "images": 3}},
    }
    assert table(result).splitlines() == [
        "auc Nodule, St. p. op.   0.800  [0.700, 0.900]  n = 3 present (1 patient), 4 absent",
        "auc macro                0.800",
        "dice Nodule, St. p. op.  0.250  n = 3 images",
    ]


@pytest.mark.parametrize("findings", [("Nodule",), ("Nodule", "Mass")], ids=str)
def test_the_mean_of_a_single_finding_is_not_repeated_in_the_table(findings):
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


def saturated() -> Outputs:
    """Two findings with logits that are all 1 as probabilities, the first in perfect order."""
    logit = np.stack([40 + np.arange(N), 40 + np.arange(N)[::-1]], axis=1).astype(np.float64)
    given = outputs()
    given.logit, given.label = logit, np.repeat(np.repeat([[0.0], [1.0]], N // 2, axis=0), 2, axis=1)
    return given


def test_saturated_scores_are_ranked_by_their_logits(tmp_path):
    given = saturated()
    assert set(given.score.ravel().tolist()) == {1.0}
    record = choose_thresholds(given, RECORD.findings, {})
    record.write(tmp_path / "model.pt")
    record = record_of(tmp_path / "model.pt", RECORD.findings)
    # Youden's point is the lowest logit of the present: 40 + N / 2.
    assert record.logit_thresholds[0] == 40 + N // 2
    result = metrics(given, samples(("PA", "AP")), record)
    for measure in ("auc", "average_precision", "sensitivity", "specificity", "accuracy"):
        assert result[measure]["Nodule"]["value"] == 1, measure
    assert result["auc"]["Mass"]["value"] == 0
    assert {view["Nodule"]["value"] for view in result["auc_by_view"].values()} == {1}
    assert result["sensitivity"]["Nodule"]["logit_threshold"] == 60
    # The table of predictions keeps the ranking.
    write_scores(given, samples(("PA", "AP")), RECORD.findings, tmp_path / "predictions.csv")
    table = read_predictions(tmp_path / "predictions.csv")
    assert [area.value for area in auc_intervals(table.rank, table.label, table.patient)] == [1, 0]
    reversed_table = replace(table, logit=-table.logit, score=probability(-table.logit))
    assert [row.difference.value for row in compare_predictions(table, reversed_table).rows] == [1, -1]
