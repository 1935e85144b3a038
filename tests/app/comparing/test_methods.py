"""Methods of several runs: how they are named, what is refused, and that evaluation's numbers arrive."""

import json
import shutil
from pathlib import Path

import pytest

from app.cli import main
from app.comparing.comparison import compare_methods
from app.comparing.methods import open_methods
from evaluation import read_predictions
from evaluation.seeds import compare_repeated_predictions

LABELS, BOXES = (0.5, 0.6, 0.7), (1.5, 1.6, 1.7)


@pytest.fixture
def groups(folder_of) -> list[list[str]]:
    return [
        ["labels", *(str(folder_of(f"labels_{strength}", strength)) for strength in LABELS)],
        ["boxes", *(str(folder_of(f"boxes_{strength}", strength)) for strength in BOXES)],
    ]


def test_groups_are_compared_over_patients_and_seeds(groups):
    comparison = compare_methods(open_methods([], groups, look_up=False))
    assert comparison.names == ("labels", "boxes")
    tables = [[read_predictions(Path(run) / "predictions.csv") for run in group[1:]] for group in groups]
    expected = compare_repeated_predictions(*tables)
    for row, want in zip(comparison.measures[0].all_rows, (*expected.rows, expected.macro), strict=True):
        assert (row.reference, row.result, row.p) == (want.first, want.second, want.p)
        assert row.difference.value == -want.difference.value
    assert [measure.key for measure in comparison.measures] == ["auc", "dice"]


def test_a_cell_of_a_study_is_a_method(groups, tmp_path, capsys):
    for (_, *runs), cell in zip(groups, ("level=image,size=100", "level=box,size=100"), strict=True):
        for seed, run in enumerate(runs):
            shutil.copytree(run, tmp_path / "study/cells" / cell / f"seed-{seed}")
    cells = [str(tmp_path / "study/cells" / cell) for cell in ("level=image,size=100", "level=box,size=100")]
    by_cell = compare_methods(open_methods(cells, look_up=False))
    assert by_cell.names == ("level=image,size=100", "level=box,size=100")
    assert by_cell.measures == compare_methods(open_methods([], groups, look_up=False)).measures
    assert main(["compare", *cells, "--no-log", "--out", str(tmp_path / "out")]) == 0
    assert "A  level=image,size=100: mean of 3 runs (seed-0, seed-1, seed-2)" in capsys.readouterr().out
    assert "other seeds, but not for other training data" in (tmp_path / "out/comparison.html").read_text()
    # A cell of which one run has not finished is not compared by the others in silence.
    (tmp_path / "study/cells/level=box,size=100/seed-1/predictions.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"seed-1: no predictions\.csv"):
        open_methods(cells, look_up=False)


def test_json_holds_methods_rows_and_conclusions(groups, capsys):
    words = ["--group", *groups[0], "--group", *groups[1], "--margin", "0.05", "--margin", "dice=0.3"]
    assert main(["compare", *words, "--no-log", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [len(method["runs"]) for method in content["methods"]] == [3, 3]
    auc, dice = content["measures"]
    assert (auc["margin"], dice["margin"]) == (0.05, 0.3)
    assert auc["macro"][0]["p_holm"] is None
    assert dice["rows"][0]["margin"]["p_noninferior"] < 0.025
    assert dice["conclusions"][-1].startswith("Margin 0.3: B is non-inferior to A for Effusion; B and A are equivalent")


def test_two_runs_are_warned_of(groups):
    notes = compare_methods(open_methods([], [group[:3] for group in groups], look_up=False)).notes
    assert any("Three runs or more of each are safe" in note for note in notes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{0}", "--group", "boxes", "{1}", "{2}"], "labels_0.5: one run, but others have several"),
        (["--group", "a", "{0}", "{1}", "--group", "b", "{0}", "{2}"], "the same run as"),
        (["--group", "a", "{0}", "{1}", "--group", "a", "{2}", "{3}"], "this name is taken already"),
        (["{0}", "--group", "a"], "--group a names no run"),
        (["{0}"], "two to eight runs or groups can be compared, not 1"),
        (["{0}"] * 9, "not 9"),
        (["{0}", "{3}", "--margin", "2"], "--margin 2: must be above 0 and below 1"),
        (
            ["{0}", "{3}", "--margin", "dicce=0.1"],
            "no measure 'dicce'; known are auc, afroc, sensitivity, specificity, dice, iou, ior, hit. Did you",
        ),
        (["{0}", "{3}", "--margin", "0.1", "--margin", "0.2"], "a second margin of every measure"),
    ],
)
def test_what_cannot_be_compared_is_an_error_of_one_line(words, message, groups, capsys):
    runs = [*groups[0][1:], *groups[1][1:]]
    assert main(["compare", *(word.format(*runs) for word in words), "--no-log"]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
