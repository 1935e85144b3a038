"""``frugal readers``: tables of readings and of marks, their errors, and what is printed and written."""

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.readers.analysis import JACKKNIFE, Question, analyse
from app.readers.marks import read_marks
from app.readers.readings import read_readings
from evaluation import area_covariance, auc_interval
from evaluation.multireader import Population

ALONE = Population(readers=False)
MODALITIES = ("plain", "with help")


def write(path: Path, head: str, rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return path


def readings(readers: int = 3, cases: int = 40, seed: int = 0) -> list[list[object]]:
    """reader, modality, case, score, truth, patient, correct: two cases a patient, one in four present."""
    generator = np.random.default_rng(seed)
    rows: list[list[object]] = []
    for case in range(cases):
        truth, drawn = int(case % 4 == 0), generator.normal()
        for modality in MODALITIES:
            for reader in range(readers):
                score = round(drawn + (1 + (modality != "plain")) * truth + generator.normal(), 1)
                right = int(generator.random() < 0.8) if truth else ""
                rows.append([f"Dr {reader}", modality, f"scan {case}", score, truth, f"P{case // 2}", right])
    return rows


HEAD = "reader,modality,case,score,truth,patient,correct"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "readings.csv", HEAD, readings())


def test_the_order_of_rows_does_not_matter_and_patients_are_taken_together(tmp_path, table):
    rows = readings()
    np.random.default_rng(1).shuffle(rows)
    rows.sort(key=lambda row: (row[0], row[1]))
    other = write(tmp_path / "other.csv", HEAD, rows)
    first, second = (analyse(path, Question("auc")).result for path in (table, other))
    assert first.test.p == pytest.approx(second.test.p, rel=1e-9)
    alone = write(tmp_path / "alone.csv", HEAD, [[*row[:5], "", row[6]] for row in rows])
    assert read_readings(table).patients == 20
    assert read_readings(alone).patients == 40
    assert analyse(alone, Question("auc")).result.test.p != pytest.approx(first.test.p, rel=1e-3)


def test_a_single_fixed_reader_is_compared_by_delongs_variance(tmp_path):
    rows = readings(readers=1)
    result = analyse(write(tmp_path / "one.csv", HEAD, rows), Question("auc", population=ALONE)).result
    plain, helped = ([row for row in rows if row[1] == name] for name in MODALITIES)
    label, patient = [row[4] for row in plain], [row[5] for row in plain]
    scores = [[row[3] for row in part] for part in (plain, helped)]
    among = area_covariance(np.array(scores, float).T, np.array(label, float), patient).covariance
    error = math.sqrt(among[0, 0] + among[1, 1] - 2 * among[0, 1])
    assert result.figure[:, 0].tolist() == [auc_interval(score, label).value for score in scores]
    assert result.differences[0].error == pytest.approx(error, rel=1e-9)


def test_a_single_reader_must_be_fixed(tmp_path):
    path = write(tmp_path / "one.csv", HEAD, readings(readers=1))
    with pytest.raises(ValueError, match="choose --fixed readers"):
        analyse(path, Question("auc"))


def test_sensitivity_and_specificity_by_counting(table):
    rows = readings()
    for figure, truth in (("sensitivity", 1), ("specificity", 0)):
        result = analyse(table, Question(figure, threshold=0.5, covariance=JACKKNIFE)).result
        for m, modality in enumerate(MODALITIES):
            for r in range(3):
                own = [row for row in rows if (row[0], row[1], row[4]) == (f"Dr {r}", modality, truth)]
                right = sum((row[3] >= 0.5) == bool(truth) for row in own)
                assert result.figure[m, r] == pytest.approx(right / len(own), abs=1e-15)


def test_lroc_by_pairs(table):
    result, rows = analyse(table, Question("lroc")).result, readings()
    own = [row for row in rows if (row[0], row[1]) == ("Dr 1", "with help")]
    present, absent = ([row for row in own if row[4] == truth] for truth in (1, 0))
    won = sum(p[6] * ((p[3] > a[3]) + 0.5 * (p[3] == a[3])) for p in present for a in absent)
    assert result.figure[1, 1] == pytest.approx(won / (len(present) * len(absent)), abs=1e-12)


LESION_HEAD, MARK_HEAD = "case,lesion,weight,patient", "reader,modality,case,lesion,score"
LESIONS = [("a", "left", 3, "p"), ("a", "right", 1, "p"), ("b", "1", "", "q"), ("n", "", "", "r"), ("m", "", "", "s")]
MARKS = [
    *(("R", "X", "a", "left", 5), ("R", "X", "a", "left", 2), ("R", "X", "a", "", 4)),
    *(("R", "X", "b", "1", 3), ("R", "X", "n", "", 4), ("R", "X", "n", "", 1)),
]


def test_afroc_by_hand(tmp_path):
    # Lesions 5, not marked, 3; the highest false marks of normal cases 4, none. Pairs won: 5 beats both, 3 one, and the
    # unmarked lesion ties with the unmarked case: (2 + 1/2 + 1) / 6. Weighted: (0.75 * 2 + 0.25 / 2 + 1) / (2 * 2).
    marked = read_marks(write(tmp_path / "m.csv", MARK_HEAD, MARKS), write(tmp_path / "l.csv", LESION_HEAD, LESIONS))
    assert marked.units.present[:, 0].tolist() == [5, -np.inf, 3]
    assert sorted(marked.units.absent[:, 0].tolist()) == [-np.inf, 4]
    for figure, expected in (("afroc", 3.5 / 6), ("wafroc", 2.625 / 4)):
        study = analyse(tmp_path / "m.csv", Question(figure, population=ALONE), tmp_path / "l.csv")
        assert study.result.figure.tolist() == [[pytest.approx(expected, abs=1e-15)]]


def edited(change: Callable[[list[list[object]]], object]) -> list[list[object]]:
    rows = readings()
    change(rows)
    return rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(7), r"1 of 240 readings are missing \(reader 'Dr 1' in modality 'plain' lacks 1 of 40"),
        (
            lambda rows: rows.append(rows[3]),
            "line 242: reader 'Dr 0', modality 'with help' and case 'scan 0' occur a se",
        ),
        (lambda rows: rows[4].__setitem__(3, "high"), "line 6: 'score' must be a number, not 'high'"),
        (lambda rows: rows[4].__setitem__(3, ""), "line 6: 'score' must be a number, not ''"),
        (lambda rows: rows[4].__setitem__(4, "yes"), "line 6: 'truth' must be one of '0', '1', not 'yes'"),
        (lambda rows: rows[4].__setitem__(4, "0"), "case 'scan 0' has another truth for reader 'Dr 1'"),
        (lambda rows: rows[4].__setitem__(5, "X"), "case 'scan 0' has another patient for reader 'Dr 1'"),
        (lambda rows: rows[4].__setitem__(0, " "), "line 6: reader is empty"),
        (lambda rows: rows.clear(), "holds no reading"),
        (lambda rows: [row.__setitem__(4, 1) for row in rows], "is undefined: there are no cases absent"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, capsys, change, message):
    path = write(tmp_path / "wrong.csv", HEAD, edited(change))
    assert main(["readers", str(path)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    with pytest.raises(ValueError, match=message):
        analyse(path, Question("auc"))


@pytest.mark.parametrize(
    ("marks", "lesions", "message"),
    [
        ([*MARKS, ("R", "X", "z", "", 1)], LESIONS, "line 8: case 'z' is not in"),
        ([*MARKS, ("R", "X", "b", "2", 1)], LESIONS, "line 8: lesion '2' of case 'b' is not in"),
        (
            [*MARKS, ("S", "Y", "b", "1", 1)],
            LESIONS,
            r"no mark by reader 'S' in modality 'X', reader 'R' in modality 'Y'",
        ),
        ([], LESIONS, "no mark by anybody"),
        (MARKS, [*LESIONS, ("a", "left", 1, "p")], "line 7: case 'a' with lesion 'left' contradicts an earlier row"),
        (MARKS, [*LESIONS, ("n", "new", 1, "r")], "line 7: case 'n' with lesion 'new' contradicts an earlier row"),
        (MARKS, [*LESIONS, ("a", "new", 1, "other")], "line 7: case 'a' has another patient than before"),
        (MARKS, [("c", "1", 0, ""), *LESIONS], "line 2: weight is 0, but must be above 0"),
        (MARKS, LESIONS[:3], "case 'n' is not in"),
    ],
)
def test_wrong_marks_are_refused(tmp_path, marks, lesions, message):
    paths = write(tmp_path / "m.csv", MARK_HEAD, marks), write(tmp_path / "l.csv", LESION_HEAD, lesions)
    with pytest.raises(ValueError, match=message):
        analyse(paths[0], Question("afroc", population=ALONE), paths[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--figure", "area"], "--figure area: must be one of auc, sensitivity"),
        (["--figure", "wafroc"], "--figure wafroc: without --lesions, choose auc, sensitivity, specificity, lroc"),
        (["--figure", "sensitivity"], "--figure sensitivity: needs --threshold"),
        (["--threshold", "1"], "--figure auc: takes no --threshold"),
        (["--figure", "specificity", "--threshold", "nan"], "--threshold nan: must be a number"),
        (["--level", "95"], "--level 95: must be above 0 and below 1"),
    ],
)
def test_wrong_options_are_refused(table, capsys, words, message):
    assert main(["readers", str(table), *words]) == 1
    assert message in capsys.readouterr().err


def test_lroc_needs_places(tmp_path):
    path = write(tmp_path / "t.csv", HEAD, edited(lambda rows: [row.__setitem__(6, "") for row in rows[:5]]))
    with pytest.raises(ValueError, match="'correct' is empty in 5 readings of present cases"):
        analyse(path, Question("lroc"))
    path = write(tmp_path / "t.csv", HEAD[: -len(",correct")], [row[:-1] for row in readings()])
    with pytest.raises(ValueError, match="LROC needs a column 'correct'"):
        analyse(path, Question("lroc"))


def test_what_is_printed_and_written_agree_and_name_no_case(tmp_path, table, capsys):
    assert main(["readers", str(table), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    numbers = json.loads((tmp_path / "out" / "readers.json").read_text())
    page = (tmp_path / "out" / "readers.html").read_text()
    [pair] = numbers["differences"]
    result = analyse(table, Question("auc")).result
    # The later modality minus the earlier one.
    assert (pair["model"], pair["reference"], pair["value"]) == (
        *MODALITIES[::-1],
        -result.differences[0].difference.value,
    )
    assert numbers["counts"] == {
        **{"readers": 3, "modalities": 2, "cases present": 10, "cases absent": 30, "patients": 20},
    }
    assert f"{pair['value']:+.3f} [{pair['lower']:+.3f}, {pair['upper']:+.3f}]" in printed
    assert f"{result.modalities[0].value:.3f} [" in printed
    assert f"F(1, {result.test.denominator_freedom:.1f}) = {result.test.statistic:.2f}" in page
    for text in (printed, page, json.dumps(numbers)):
        assert "scan " not in text
        assert "P1" not in text


def test_fixed_readers_are_shown_one_by_one(tmp_path, table):
    assert main(["readers", str(table), "--fixed", "readers", "--out", str(tmp_path)]) == 0
    numbers = json.loads((tmp_path / "readers.json").read_text())
    assert list(numbers["by_reader"]) == ["Dr 0", "Dr 1", "Dr 2"]
    assert numbers["test"]["denominator_freedom"] is None
    assert "Reader by reader" in (tmp_path / "readers.html").read_text()


def test_it_imports_nothing_heavy(table):
    code = "import sys; from app.cli import main; assert main(sys.argv[1:]) == 0; print(*sys.modules, file=sys.stderr)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code, "readers", str(table)], check=True, capture_output=True, text=True, env=environment
    )
    assert not {"torch", "monai", "mlflow", "matplotlib", "cv2"} & set(done.stderr.split())
