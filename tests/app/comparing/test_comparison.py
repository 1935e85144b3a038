"""Comparisons of several models, against what evaluation gives for each pair."""

import csv
import io
import math
import re
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.comparing.comparison import compare_methods
from app.comparing.comparison_output import comparison_csv, comparison_text
from app.comparing.conclusions import conclusions
from app.comparing.methods import open_methods
from evaluation import (
    DifferentCasesError,
    PredictionTable,
    compare_predictions,
    holm,
    paired_permutation_test,
    read_predictions,
    write_predictions,
)


def comparison_of(*folders: Path):
    return compare_methods(open_methods([str(folder) for folder in folders]))


def test_csv_holds_evaluations_values(folder_of):
    one, two = folder_of("one", 0.5), folder_of("two", 1.5)
    rows = list(csv.DictReader(io.StringIO(comparison_csv(comparison_of(one, two)))))
    tables = [read_predictions(folder / "predictions.csv") for folder in (one, two)]
    expected = compare_predictions(*tables)
    areas = [row for row in rows if row["measure"] == "auc"]
    assert [row["finding"] for row in areas] == [*tables[0].findings, "macro average"]
    for row, want in zip(areas, (*expected.rows, expected.macro), strict=True):
        assert float(row["reference_value"]) == want.first.value
        assert float(row["model_lower"]) == want.second.lower
        # evaluation gives reference - model, the table model - reference.
        assert float(row["difference"]) == -want.difference.value
        assert float(row["difference_lower"]) == -want.difference.upper
        assert float(row["p"]) == want.p
    assert [float(row["p_holm"]) for row in areas[:-1]] == [row.p_holm for row in expected.rows]
    assert areas[-1]["p_holm"] == ""
    assert int(areas[0]["present"]) + int(areas[0]["absent"]) == 119
    assert areas[0]["unknown"] == "1"
    for name, value in (("present", 1), ("absent", 0)):
        of_class = tables[0].patient[tables[0].label[:, 0] == value]
        assert areas[0][f"{name}_patients"] == str(len(set(of_class.tolist())))


def test_few_patients_are_starred_however_many_images_they_have(folder_of):
    folders = folder_of("one", 0.5), folder_of("two", 1.5)
    assert "*" not in comparison_text(comparison_of(*folders))
    for folder in folders:
        for name in ("predictions.csv", "cases.csv"):
            rows = list(csv.DictReader((folder / name).open()))
            with (folder / name).open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                # Eight patients have all images now.
                writer.writerows(row | {"patient": f"p{int(row['image'][5:-4]) % 8}"} for row in rows)
    lines = comparison_text(comparison_of(*folders)).splitlines()
    assert [line for line in lines if line.startswith("* fewer than 10 patients")]
    [first] = [line for line in lines if line.startswith("Effusion") and " / " in line]
    assert first.endswith("] *")
    assert "(8) / " in first
    [macro] = [line for line in lines if line.startswith("macro")]
    assert "*" not in macro


def test_dice_is_tested_by_permutation_of_patients(folder_of):
    one, two = folder_of("one", 0.5), folder_of("two", 1.5)
    row = next(measure for measure in comparison_of(one, two).measures if measure.key == "dice").rows[0]
    values = [list(csv.DictReader((folder / "cases.csv").open())) for folder in (one, two)]
    a, b = (np.array([float(each["dice"]) for each in table]) for table in values)
    patient = [each["patient"] for each in values[0]]
    assert row.difference.value == pytest.approx(b.mean() - a.mean(), abs=1e-12)
    assert row.p == paired_permutation_test(a, b, patient).p
    assert row.reference.present == len(a)


def test_the_same_run_twice_differs_by_exactly_nothing(folder_of):
    folder = folder_of("one", 0.5)
    comparison = comparison_of(folder, folder)
    for row in (row for measure in comparison.measures for row in measure.all_rows):
        assert (row.difference.value, row.difference.lower, row.difference.upper, row.p) == (0, 0, 0, 1)
        assert math.copysign(1, row.difference.value) == 1
    text = comparison_text(comparison)
    assert "do not differ at all" in text
    assert "-0" not in text.replace("---", "")


def test_three_runs_are_compared_with_the_first_and_corrected_together(folder_of):
    folders = [folder_of("one", 0.5), folder_of("two", 1.5), folder_of("three", 2.5)]
    areas = comparison_of(*folders).measures[0]
    tables = [read_predictions(folder / "predictions.csv") for folder in folders]
    p = {(r.finding, m): r.p for m in (1, 2) for r in compare_predictions(tables[0], tables[m]).rows}
    assert {(row.finding, row.model): row.p for row in areas.rows} == p
    assert [row.p_holm for row in areas.rows] == holm([row.p for row in areas.rows]).tolist()
    assert [row.p_holm for row in areas.macro] == holm([row.p for row in areas.macro]).tolist()


def test_conclusions_say_where_a_model_is_better(folder_of):
    comparison = comparison_of(folder_of("one", 0.1), folder_of("two", 2.5))
    assert conclusions(comparison, comparison.measures[0]) == [
        "B is better than A for Effusion, Pneumothorax, Chest Drain."
    ]
    back = comparison_of(comparison.runs[1].folder, comparison.runs[0].folder)
    assert conclusions(back, back.measures[0]) == ["B is worse than A for Effusion, Pneumothorax, Chest Drain."]


def test_other_findings_are_refused(folder_of):
    with pytest.raises(
        DifferentCasesError, match=r"A \(one\) and B \(two\) .* 1 findings only in A \(one\) \(Chest Drain\)"
    ):
        comparison_of(folder_of("one", 0.5), folder_of("two", 1.5, ("Effusion", "Pneumothorax")))


def test_other_images_and_labels_are_refused(folder_of):
    one, two, three = folder_of("one", 0.5), folder_of("two", 1.5), folder_of("three", 2.5)
    path = two / "predictions.csv"
    path.write_text(path.read_text().replace("scan007.png", "other.png"))
    with pytest.raises(DifferentCasesError, match=r"1 images only in A .*scan007.png.*1 images only in B .*other.png"):
        comparison_of(one, two)
    path = three / "predictions.csv"
    path.write_text(path.read_text().replace("Effusion,0,", "Effusion,1,", 1))
    with pytest.raises(DifferentCasesError, match="1 other labels"):
        comparison_of(one, three)


def test_other_located_cases_are_refused(folder_of):
    one, two = folder_of("one", 0.5), folder_of("two", 1.5)
    lines = (two / "cases.csv").read_text().splitlines(keepends=True)
    (two / "cases.csv").write_text("".join(lines[:-1]))
    with pytest.raises(
        DifferentCasesError, match=r"Dice of A \(one\) and B \(two\).*1 located cases only in A \(one\)"
    ):
        comparison_of(one, two)


def test_a_measure_that_one_run_lacks_is_noted(folder_of):
    comparison = comparison_of(folder_of("one", 0.5), folder_of("two", 1.5, cases=False))
    assert [measure.key for measure in comparison.measures] == ["auc"]
    assert comparison.notes == ("Dice is not compared: B (two) left no cases.csv with it.",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scan000.png,Mustermann0,Effusion,1.2", "line 2: dice is '1.2', but must be a number from 0 to 1"),
        ("a.png,p,Effusion,0.5\na.png,p,Effusion,0.5", "line 3: image 'a.png' with finding 'Effusion' occurs a second"),
        ("a.png,p,Effusion,0.5\na.png,q,Nodule,0.5", "line 3: image 'a.png' has another patient"),
    ],
)
def test_a_wrong_file_of_cases_is_refused(folder_of, line, message):
    one = folder_of("one", 0.5)
    (one / "cases.csv").write_text(f"image,patient,finding,dice\n{line}\n")
    with pytest.raises(ValueError, match=message):
        comparison_of(one, one)


def test_a_file_of_predictions_alone_is_compared(folder_of, tmp_path):
    one = folder_of("one", 0.5)
    alone = tmp_path / "theirs.csv"
    alone.write_bytes((one / "predictions.csv").read_bytes())
    comparison = comparison_of(one, alone)
    assert comparison.names == ("one", "theirs")
    assert comparison.measures[0].rows[0].p == 1


def test_runs_of_one_name_are_told_apart_by_what_was_asked_for(folder_of, tmp_path):
    (tmp_path / "x").mkdir()
    folder_of("x/out", 0.5)
    folder_of("out", 1.5)
    assert comparison_of(tmp_path / "x/out", tmp_path / "out").names == (str(tmp_path / "x/out"), str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("word", "message"), [("gone/predictions.csv", "no such file"), ("there", "no predictions.csv")]
)
def test_a_missing_file_is_an_error_of_one_line(word, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert main(["compare", word, word, "--no-log"]) == 1
    assert message in capsys.readouterr().err


def test_command_prints_writes_and_logs_nothing(folder_of, tmp_path, capsys):
    words = [str(folder_of("one", 0.5)), str(folder_of("two", 1.5)), "--out", str(tmp_path / "made")]
    assert main(["compare", *words]) == 0
    printed = capsys.readouterr().out
    assert "Area under the ROC curve: 120 images of 60 patients" in printed
    assert "names no run in MLflow" in printed
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["comparison.csv", "comparison.html", "comparison.json", "forest_auc.svg", "forest_dice.svg"]


def write_lesions(folder: Path, seed: int, lesions: int = 30) -> PredictionTable:
    """Lesions and normal images of two findings with their highest marks, one in six without a mark."""
    generator = np.random.default_rng(seed)
    units = [f"scan{n:03d}.png, Effusion 1" for n in range(lesions)] + [f"scan{n:03d}.png" for n in range(30, 100)]
    label = np.array([1.0] * lesions + [0.0] * 70)[:, None]
    label[lesions:][:10] = -2  # images of another finding
    score = generator.normal(label, 1)
    score[::6] = -np.inf
    patient = np.array([f"Mustermann{n // 2}" for n in range(len(units))])
    table = PredictionTable(("Effusion",), np.array(units), patient, label, score)
    write_predictions(folder / "lesions.csv", table)
    return table


def test_lesions_are_compared_by_the_area_under_the_afroc_curve(folder_of):
    folders = [folder_of("one", 0.5), folder_of("two", 1.5)]
    tables = [write_lesions(folder, seed) for seed, folder in enumerate(folders)]
    comparison = comparison_of(*folders)
    [measure] = [measure for measure in comparison.measures if measure.key == "afroc"]
    [row] = measure.rows
    expected = compare_predictions(*tables).rows[0]
    assert (row.reference, row.result, row.p) == (expected.first, expected.second, expected.p)
    assert row.difference.value == -expected.difference.value
    text = comparison_text(comparison)
    assert "Area under the AFROC curve (JAFROC): 100 lesions and normal images of 50 patients" in text
    assert re.search(r"Effusion  A      30 \(15\) / 60 \(30\) +0\.", text)  # the others are not said to be unknown


def test_lesions_that_a_run_lacks_are_noted_and_others_refused(folder_of):
    one, two = folder_of("one", 0.5), folder_of("two", 1.5)
    write_lesions(one, 0)
    note = "Area under the AFROC curve (JAFROC) is not compared: B (two) left no lesions.csv."
    assert note in comparison_of(one, two).notes
    write_lesions(two, 1, lesions=29)
    with pytest.raises(DifferentCasesError, match=r"1 images only in A \(one\) \(scan029.png, Effusion 1\)"):
        comparison_of(one, two)
