"""Sensitivity and specificity of runs at their own thresholds, compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.comparing.calls import recorded_thresholds, right_calls
from app.comparing.comparison import RunComparison, compare_methods
from app.comparing.comparison_output import comparison_text
from app.comparing.comparison_tracking import worse_in
from app.comparing.methods import open_methods
from app.comparing.run_files import open_run_files
from evaluation import PredictionTable, compare_shares, read_predictions
from evaluation.cases import Interval

THRESHOLDS = {"Effusion": 0.5, "Pneumothorax": 0.9, "Chest Drain": 0.2}


def with_thresholds(folder: Path, shift: float = 0.0, **entry: float) -> Path:
    """Write ``metrics.json`` with thresholds, as a launch does."""
    entries: dict[str, Any] = {name: {"value": 0.5, "threshold": t + shift} | entry for name, t in THRESHOLDS.items()}
    (folder / "metrics.json").write_text(
        json.dumps({"section": "test", "sensitivity": entries | {"macro": {"value": 1}}})
    )
    return folder


def comparison_of(*folders: Path, groups: tuple[list[str], ...] = ()) -> RunComparison:
    return compare_methods(open_methods([str(folder) for folder in folders], groups, look_up=False))


@pytest.mark.parametrize("measure", ["sensitivity", "specificity"])
def test_rows_are_evaluations(folder_of: Callable[..., Path], measure: str) -> None:
    one, two = with_thresholds(folder_of("one", 0.5)), with_thresholds(folder_of("two", 1.5), 0.3)
    [found] = [each for each in comparison_of(one, two).measures if each.key == measure]
    first, second = (read_predictions(folder / "predictions.csv") for folder in (one, two))
    for c, row in enumerate(found.rows):
        at = THRESHOLDS[first.findings[c]]
        is_present = measure == "sensitivity"
        right = (first.score[:, c] >= at) == is_present
        right_too = (second.score[:, c] >= at + 0.3) == is_present
        want = compare_shares(right, right_too, first.label[:, c] == is_present, first.patient)
        assert row.reference.value == want.first.value
        assert row.result.value == want.second.value
        assert (row.difference.lower, row.difference.upper) == (-want.difference.upper, -want.difference.lower)
        assert row.p == want.p
        assert row.reference.present == (first.label[:, c] == is_present).sum()


def test_the_same_run_twice_differs_by_exactly_0(folder_of: Callable[..., Path]) -> None:
    one = with_thresholds(folder_of("one", 0.5))
    for measure in comparison_of(one, one).measures[1:3]:
        assert all((row.p, row.difference) == (1, Interval(0, 0, 0)) for row in measure.rows)


def test_text_says_at_which_thresholds(folder_of: Callable[..., Path]) -> None:
    text = comparison_text(
        comparison_of(with_thresholds(folder_of("one", 0.5)), with_thresholds(folder_of("two", 1.5)))
    )
    assert "Sensitivity at each run's own threshold" in text
    assert "Specificity at each run's own threshold" in text
    assert "read them together" in text


def test_runs_without_thresholds_are_named(folder_of: Callable[..., Path]) -> None:
    one, two = with_thresholds(folder_of("one", 0.5)), folder_of("two", 1.5)
    comparison = comparison_of(one, two)
    assert "sensitivity" not in [measure.key for measure in comparison.measures]
    [note] = [note for note in comparison.notes if note.startswith("Sensitivity")]
    assert "B (two) left no metrics.json" in note
    # If no run has any, as files of other software have not, nothing is missed.
    assert not any(note.startswith("Sensitivity") for note in comparison_of(two, two).notes)


def test_a_lower_threshold_alone_makes_no_model_worse(folder_of: Callable[..., Path]) -> None:
    one = folder_of("one", 0.5)
    copy = one.parent / "copy"
    copy.mkdir()
    for path in one.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    comparison = comparison_of(with_thresholds(one), with_thresholds(copy, -1.5))
    [found] = [measure for measure in comparison.measures if measure.key == "specificity"]
    assert any(row.p_holm < 0.05 and row.difference.upper < 0 for row in found.rows)
    assert worse_in(comparison, 1, is_reference=False) == []


def table(logit: bool) -> PredictionTable:
    names, value = np.array(["a", "b", "c"]), np.array([[0.9], [0.5], [0.1]])
    label = np.array([[1.0], [0.0], [np.nan]])
    return PredictionTable(
        ("Effusion",), names, names, label, value, {}, np.log(value / (1 - value)) if logit else None
    )


def test_thresholds_are_those_of_what_ranks(folder_of: Callable[..., Path]) -> None:
    run = open_run_files(str(with_thresholds(folder_of("one", 0.5), logit_threshold=0.1)), look_up=False)
    assert recorded_thresholds(run, table(logit=True)) == [0.1]
    assert recorded_thresholds(run, table(logit=False)) == [0.5]
    # Earlier runs have probabilities alone, and so do those whose logit is infinite.
    run = open_run_files(str(with_thresholds(folder_of("two", 0.5))), look_up=False)
    assert recorded_thresholds(run, table(logit=True)) == [0]
    run = open_run_files(str(with_thresholds(folder_of("three", 0.5), 2.0)), look_up=False)
    assert recorded_thresholds(run, table(logit=True)) is None


def test_unknown_cases_are_neither_right_nor_wrong() -> None:
    threshold = np.array([0.5])
    assert right_calls(table(logit=False), threshold, "sensitivity").tolist()[0] == [1]
    assert np.isnan(right_calls(table(logit=False), threshold, "sensitivity")[1:]).all()
    assert right_calls(table(logit=False), threshold, "specificity").tolist()[1] == [0]
    assert np.isnan(right_calls(table(logit=False), threshold, "specificity")[[0, 2]]).all()


def test_methods_of_several_seeds_are_compared(folder_of: Callable[..., Path]) -> None:
    folders = [with_thresholds(folder_of(f"run{n}", 0.5 + n)) for n in range(4)]
    groups = (["old", *map(str, folders[:2])], ["new", *map(str, folders[2:])])
    comparison = comparison_of(groups=groups)
    [found] = [measure for measure in comparison.measures if measure.key == "sensitivity"]
    assert "Student's" in found.test
    assert found.rows[0].difference.value > 0
