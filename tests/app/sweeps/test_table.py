"""Tables of a study from results on disk, which the tests write by hand."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.sweeps.orderings import parse_claim
from app.sweeps.output import picture_names, write_results
from app.sweeps.plan import Cell, Matrix, read_matrix
from app.sweeps.runner import Task
from app.sweeps.selecting import parse_selection, selected
from app.sweeps.table import gather, table_csv, table_markdown, value_at

FACTORS = {"level": ("contour", "box"), "size": ("100", "400")}
DICE = {"contour": {"100": (0.50, 0.52, 0.54), "400": (0.6, 0.7, 0.8)}, "box": {"100": (0.40, 0.42, 0.44)}}
DICE["box"]["400"] = (0.62, 0.68, 0.79)


@pytest.fixture
def study(tmp_path: Path):
    """Results of twelve runs, seed by seed."""
    values = [{"level": level, "size": size} for level in FACTORS["level"] for size in FACTORS["size"]]
    cells = tuple(Cell(each, {}, {}) for each in values)
    claims = tuple(
        parse_claim(text, FACTORS, values) for text in ("contour > box in dice.macro", "400 > 100 in dice.macro at box")
    )
    matrix = Matrix("s", ("train.yaml",), "training", {}, FACTORS, cells, (0, 1, 2), None, ("dice.macro",), claims)
    tasks = []
    for cell in cells:
        for seed in matrix.replicates:
            task = Task(cell, seed, tmp_path / cell.name / f"seed-{seed}", {"seed": seed})
            task.folder.mkdir(parents=True)
            dice = DICE[cell.values["level"]][cell.values["size"]][seed]
            (task.folder / "metrics.json").write_text(json.dumps({"dice": {"macro": {"value": dice}}}))
            task.write("finished", 10.0 + seed)
            tasks.append(task)
    return matrix, tasks


def test_means_deviations_and_verdicts(study):
    results = gather(*study)
    first = results.rows[0]
    # By hand: mean 0.52, deviation 0.02; t(0.975, 2) = 4.3027 (tables), so 0.02 * 4.3027 / sqrt(3) = 0.0497.
    assert (first.mean.value, first.deviation) == pytest.approx((0.52, 0.02))
    assert first.mean.upper - first.mean.value == pytest.approx(0.0497, abs=1e-4)
    verdicts = {each.pair.words: each.verdict for each in results.judged}
    # Seed by seed the contours are 0.10 better at 100, with no scatter; -0.02, +0.02, +0.01 at 400.
    assert verdicts == {
        "contour > box at size=100": "shown",
        "contour > box at size=400": "not shown",
        "400 > 100 at level=box": "shown",
    }
    assert results.judged[0].difference.value == pytest.approx(0.10)


def test_tables_hold_every_cell_and_say_how_weak_three_seeds_are(study):
    results = gather(*study)
    rows = list(csv.reader(table_csv(results).splitlines()))
    assert rows[0] == [
        *("metric", "level", "size", "n", "mean", "sd", "lower", "upper"),
        *("seed_0", "seed_1", "seed_2"),
    ]
    assert rows[3][:4] == ["dice.macro", "box", "100", "3"]
    assert [float(value) for value in rows[3][8:]] == [0.40, 0.42, 0.44]
    text = table_markdown(results)
    assert "| contour | 100 | 3 | 0.520 [0.470, 0.570] | 0.020 |" in text
    assert "- contour > box in dice.macro: 1 shown, 1 not shown." in text
    # 4.3027 / sqrt(3) = 2.484
    assert "more than 2.48 of its standard deviations" in text
    assert "With 3 seeds that is weak" in text


def test_failed_and_missing_runs_are_named(study):
    matrix, tasks = study
    tasks[0].write("failed", 1.0, "ValueError: no")
    (tasks[1].folder / "cell.json").unlink()
    results = gather(matrix, tasks)
    assert [task for task, _ in results.failed] == [tasks[0]]
    assert results.missing == (tasks[1],)
    assert len(results.rows[0].by_replicate) == 1
    text = table_markdown(results)
    assert "- level=contour,size=100, seed 0: ValueError: no" in text
    assert "- level=contour,size=100, seed 1\n" in text


def test_changed_settings_make_a_result_void_unless_kept(study):
    _, tasks = study
    other = Task(tasks[0].cell, 0, tasks[0].folder, {"seed": 0, "config": "new"})
    assert tasks[0].is_finished()
    assert not other.is_finished()
    assert other.is_finished(keep=True)
    assert not Task(tasks[0].cell, 0, tasks[0].folder, {"seed": 1, "config": "new"}).is_finished(keep=True)


def test_files_are_written_whole(study, tmp_path):
    written = write_results(gather(*study), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    assert {path.name for path in written} == {"table.csv", "table.md", "dice.macro.png"}


CONTENT = {
    "section": "test",
    "auc": {"Nodule": {"value": 0.9}, "macro": {"value": None}},
    "iou_accuracy": {"T 0.1": {"Nodule": {"value": 0.25}}},
    "threshold.1": 3,
}


def test_values_by_path():
    assert value_at(CONTENT, "auc.Nodule", Path()) == 0.9
    assert value_at(CONTENT, "iou_accuracy.T 0.1.Nodule", Path()) == 0.25
    assert value_at(CONTENT, "threshold.1", Path()) == 3
    assert math.isnan(value_at(CONTENT, "auc.macro", Path()))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("auc.Nodul", "'Nodul' should be there are Nodule, macro"),
        ("auc", "'auc' is no number"),
        ("section", "'section' is no number"),
        ("threshold.1.x", "is no number"),
    ],
)
def test_paths_to_nothing_are_refused(path, message):
    with pytest.raises(ValueError, match=message):
        value_at(CONTENT, path, Path())


def test_pictures_of_metrics_have_names_of_their_own():
    metrics = ["dice.macro", "iou_accuracy/T 0.1/macro", "auc.Opacity #1", "auc.Mass?", "auc.mass!", "x" * 300]
    names = picture_names(metrics)
    assert list(names.values())[:3] == ["dice.macro", "iou_accuracy_T_0.1_macro", "auc.Opacity_1"]
    assert len({name.casefold() for name in names.values()}) == len(metrics)
    assert all(len(name) <= 100 and "/" not in name for name in names.values())


VALIDATION = {"contour": {"100": (0.9, 0.8, 0.7), "400": (0.7, 0.7, 0.7)}, "box": {"100": (0.2, 0.3, 0.4)}}
VALIDATION["box"]["400"] = (0.4, 0.4, 0.4)


@pytest.fixture
def grid(study):
    """The same runs with validation metrics, of which the largest are not where the test section's are."""
    matrix, tasks = study
    for task in tasks:
        value = VALIDATION[task.cell.values["level"]][task.cell.values["size"]][task.replicate]
        content = {"findings": ["Nodule"], "validation": {"auc": value, "loss": 1 - value, "epoch": 3}}
        (task.folder / "model.json").write_text(json.dumps(content))
    return matrix, tasks


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        # By hand, means over seeds: contour 0.8 at 100 and 0.7 at 400; box 0.3 at 100 and 0.4 at 400. The test
        # section's Dice is larger at 400 for both.
        ({"metric": "validation.auc", "over": ["size"]}, ["level=box,size=400", "level=contour,size=100"]),
        ({"metric": "validation.auc", "over": ["level"]}, ["level=contour,size=100", "level=contour,size=400"]),
        ({"metric": "validation.auc"}, ["level=contour,size=100"]),
        ({"metric": "validation.loss"}, ["level=contour,size=100"]),
    ],
)
def test_cells_are_selected_on_validation(grid, given: dict, chosen: list[str]):
    matrix, tasks = grid
    results = gather(replace(matrix, select=parse_selection(given, tuple(FACTORS))), tasks)
    assert [row.cell.name for row in selected(results)] == chosen
    text = table_markdown(results)
    part = text[text.index("## Selected") : text.index("## Orderings")]
    assert "the test section had no say" in part
    assert part.count("| contour | 100 |") == 1
    assert "| contour | 100 | 0.520 [0.470, 0.570] | 0.800" in part or "loss" in given["metric"]


def test_nothing_is_selected_before_every_run_of_its_group_is_there(grid):
    matrix, tasks = grid
    (tasks[0].folder / "cell.json").unlink()  # contour at 100, seed 0
    select = parse_selection({"metric": "validation.auc", "over": ["size"]}, tuple(FACTORS))
    results = gather(replace(matrix, select=select), tasks)
    assert [row.cell.name for row in selected(results)] == ["level=box,size=400"]
    everything = parse_selection({"metric": "validation.auc"}, tuple(FACTORS))
    assert "Nothing is selected before every cell" in table_markdown(gather(replace(matrix, select=everything), tasks))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "auc.macro"}, "'auc.macro' is measured on the section that is reported on, which must not choose"),
        ({"metric": "label_sets.truth.auc.macro", "over": ["size"]}, "must not choose"),
        ({"over": ["size"]}, "must be {metric: validation.auc, over: "),
        ({"metric": "validation.auc", "by": 1}, "must be {metric: validation.auc, over: "),
        ({"metric": "validation.auc", "over": ["sise"]}, r"'over' must be a list of factors \(level, size\)"),
        ({"metric": "validation.auc", "over": []}, "'over' must be a list of factors"),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused(given: dict, message: str):
    with pytest.raises(ValueError, match=message):
        parse_selection(given, tuple(FACTORS))


def test_no_study_of_a_bundle_selects_on_the_section_that_it_reports_on():
    studies = sorted(Path("bundles").glob("*/studies/*.yaml"))
    grids = [path for path in studies if read_matrix(path).select is not None]
    # Reading refuses any other selection; a factor of plain numbers that are tuned needs one.
    assert [path.name for path in grids] == ["grid.yaml"]
    tuned = {"learning_rate", "batch_size", "dropout"}
    assert [path for path in studies if tuned & read_matrix(path).factors.keys() and path not in grids] == []
