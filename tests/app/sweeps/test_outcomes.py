"""Outcomes and tables of a sweep, from results on disk that the tests write by hand."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.datalist.file import write_datalist
from app.sweeps.cell_data import changed
from app.sweeps.cell_run import CellRun
from app.sweeps.orderings import parse_ordering
from app.sweeps.outcomes import gather, metric_value, selected
from app.sweeps.study_file import parse_selection, read_sweep
from app.sweeps.sweep import Cell, Sweep
from app.sweeps.sweep_output import draw_metric, write_outcomes
from app.sweeps.sweep_tables import table_csv, table_markdown

FACTORS = {"level": ("contour", "box"), "size": ("100", "400")}
DICE = {"contour": {"100": (0.50, 0.52, 0.54), "400": (0.6, 0.7, 0.8)}, "box": {"100": (0.40, 0.42, 0.44)}}
DICE["box"]["400"] = (0.62, 0.68, 0.79)


@pytest.fixture
def study(tmp_path: Path):
    """Results of twelve runs, seed by seed."""
    values = [{"level": level, "size": size} for level in FACTORS["level"] for size in FACTORS["size"]]
    cells = tuple(Cell(each, {}, {}) for each in values)
    given = (
        {"metric": "dice.macro", "factor": "level", "order": ["contour", "box"]},
        {"metric": "dice.macro", "factor": "size", "order": [400, 100], "at": {"level": "box"}},
    )
    orderings = tuple(parse_ordering(each, FACTORS, values) for each in given)
    sweep = Sweep("s", ("train.yaml",), "training", {}, FACTORS, cells, (0, 1, 2), None, ("dice.macro",), orderings)
    runs = []
    for cell in cells:
        for seed in sweep.replicates:
            run = CellRun(cell, seed, tmp_path / cell.name / f"seed-{seed}", {"seed": seed})
            run.folder.mkdir(parents=True)
            dice = DICE[cell.values["level"]][cell.values["size"]][seed]
            (run.folder / "metrics.json").write_text(json.dumps({"dice": {"macro": {"value": dice}}}))
            run.write("finished", 10.0 + seed)
            runs.append(run)
    return sweep, runs


def test_means_deviations_and_verdicts(study):
    outcomes = gather(*study)
    first = outcomes.results[0]
    # By hand: mean 0.52, deviation 0.02; t(0.975, 2) = 4.3027 (tables), so 0.02 * 4.3027 / sqrt(3) = 0.0497.
    assert (first.mean.value, first.deviation) == pytest.approx((0.52, 0.02))
    assert first.mean.upper - first.mean.value == pytest.approx(0.0497, abs=1e-4)
    verdicts = {each.pair.text: each.verdict for each in outcomes.pairs}
    # Seed by seed the contours are 0.10 better at 100, with no scatter; -0.02, +0.02, +0.01 at 400.
    assert verdicts == {
        "contour > box at size=100": "shown",
        "contour > box at size=400": "not shown",
        "400 > 100 at level=box": "shown",
    }
    assert outcomes.pairs[0].difference.value == pytest.approx(0.10)


def test_tables_hold_every_cell_and_say_how_weak_three_seeds_are(study):
    outcomes = gather(*study)
    rows = list(csv.reader(table_csv(outcomes).splitlines()))
    assert rows[0] == [
        *("metric", "level", "size", "n", "mean", "sd", "lower", "upper"),
        *("seed_0", "seed_1", "seed_2"),
    ]
    assert rows[3][:4] == ["dice.macro", "box", "100", "3"]
    assert [float(value) for value in rows[3][8:]] == [0.40, 0.42, 0.44]
    text = table_markdown(outcomes)
    assert "| contour | 100 | 3 | 0.520 [0.470, 0.570] | 0.020 |" in text
    assert "- contour > box in dice.macro: 1 shown, 1 not shown." in text
    # 4.3027 / sqrt(3) = 2.484
    assert "more than 2.48 of its standard deviations" in text
    assert "With 3 seeds that is weak" in text


def test_failed_and_missing_runs_are_named(study):
    sweep, runs = study
    runs[0].write("failed", 1.0, {"error": "ValueError: no"})
    (runs[1].folder / "cell.json").unlink()
    outcomes = gather(sweep, runs)
    assert outcomes.failed == (runs[0],)
    assert outcomes.missing == (runs[1],)
    assert len(outcomes.results[0].by_replicate) == 1
    text = table_markdown(outcomes)
    assert "- level=contour,size=100, seed 0: ValueError: no" in text
    assert "- level=contour,size=100, seed 1\n" in text


def test_a_result_of_other_settings_does_not_count_unless_kept(study):
    _, runs = study
    other = CellRun(runs[0].cell, 0, runs[0].folder, {"seed": 0, "config": "new"})
    assert runs[0].is_finished()
    assert not other.is_finished()
    assert other.is_finished(keep=True)
    assert not CellRun(runs[0].cell, 0, runs[0].folder, {"seed": 1, "config": "new"}).is_finished(keep=True)


def test_the_table_counts_the_images_of_each_level(study, tmp_path, datalist):
    sweep, runs = study
    for name, level in (("box.json", "box"), ("mix.json", None)):
        steps = {"level": level} if level else {"mix": {"box": 5, "image": 20}}
        write_datalist(changed(datalist, steps, Path(), seed=0), tmp_path / name)
    of_cell = {"contour": tmp_path / "box.json", "box": tmp_path / "mix.json"}
    runs = [replace(run, datalist=of_cell[run.cell.values["level"]]) for run in runs]
    rows = list(csv.DictReader(table_csv(gather(sweep, runs)).splitlines()))
    assert [(row["level"], row["n_box"], row["n_image"]) for row in rows[::2]] == [
        ("contour", "60", "0"),
        ("box", "5", "20"),
    ]
    assert "n_outline" not in rows[0]


def test_files_are_written_whole(study, tmp_path):
    written = write_outcomes(gather(*study), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    assert {path.name for path in written} == {"table.csv", "table.md", "dice_macro.png"}


@pytest.mark.parametrize(("sizes", "scale"), [((100, 400), "linear"), ((100, 900), "log")])
def test_a_picture_shows_every_mean_over_the_numbers(study, sizes: tuple[int, int], scale: str):
    sweep, runs = study
    results = gather(sweep, runs).results
    renamed = {"100": str(sizes[0]), "400": str(sizes[1])}
    results = [
        replace(each, cell=Cell({**each.cell.values, "size": renamed[each.cell.values["size"]]}, {}, {}))
        for each in results
    ]
    sweep = replace(sweep, factors={"level": ("contour", "box"), "size": tuple(map(str, sizes))})
    axes = draw_metric(sweep, "dice.macro", results).axes[0]
    assert axes.get_xscale() == scale
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["contour", "box"]
    # By hand, means over seeds.
    for bars, means in zip(axes.containers, ([0.52, 0.70], [0.42, 209 / 300]), strict=True):
        line = bars.lines[0]
        assert list(line.get_ydata()) == pytest.approx(means)
        # Lines are shifted by little, so that they do not hide each other, and lie within the axes.
        assert list(line.get_xdata()) == pytest.approx(sizes, rel=0.05)
        assert axes.get_ylim()[0] < min(means) < max(means) < axes.get_ylim()[1]


def test_values_that_are_no_numbers_are_not_joined(study):
    sweep, runs = study
    sweep = replace(sweep, factors={"size": sweep.factors["size"][:1], "level": sweep.factors["level"]})
    results = [result for result in gather(sweep, runs).results if result.cell.values["size"] == "100"]
    axes = draw_metric(sweep, "dice.macro", results).axes[0]
    assert axes.get_xlabel() == "level"
    assert axes.containers[0].lines[0].get_linestyle() == "None"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["contour", "box"]


CONTENT = {
    "section": "test",
    "auc": {"Nodule": {"value": 0.9}, "macro": {"value": None}},
    "iou_accuracy": {"T 0.1": {"Nodule": {"value": 0.25}}},
    "threshold.1": 3,
}


def test_values_by_path():
    assert metric_value(CONTENT, "auc.Nodule", Path()) == 0.9
    assert metric_value(CONTENT, "iou_accuracy.T 0.1.Nodule", Path()) == 0.25
    assert metric_value(CONTENT, "threshold.1", Path()) == 3
    assert math.isnan(metric_value(CONTENT, "auc.macro", Path()))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("auc.Nodul", "unknown 'Nodul'; known are Nodule, macro. Did you mean 'Nodule'"),
        ("auc", "'auc' is no number"),
        ("section", "'section' is no number"),
        ("threshold.1.x", "is no number"),
    ],
)
def test_paths_to_no_number_are_refused(path, message):
    with pytest.raises(ValueError, match=message):
        metric_value(CONTENT, path, Path())


VALIDATION = {"contour": {"100": (0.9, 0.8, 0.7), "400": (0.7, 0.7, 0.7)}, "box": {"100": (0.2, 0.3, 0.4)}}
VALIDATION["box"]["400"] = (0.4, 0.4, 0.4)


@pytest.fixture
def grid(study):
    """The same runs with validation metrics, of which the largest are not where the test section's are."""
    sweep, runs = study
    for run in runs:
        value = VALIDATION[run.cell.values["level"]][run.cell.values["size"]][run.replicate]
        content = {"findings": ["Nodule"], "validation": {"auc": value, "loss": 1 - value, "epoch": 3}}
        (run.folder / "model.json").write_text(json.dumps(content))
    return sweep, runs


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
    sweep, runs = grid
    outcomes = gather(replace(sweep, select=parse_selection(given, tuple(FACTORS))), runs)
    assert [row.cell.name for row in selected(outcomes)] == chosen
    text = table_markdown(outcomes)
    part = text[text.index("## Selected") : text.index("## Orderings")]
    assert "the test section had no say" in part
    assert part.count("| contour | 100 |") == 1
    assert "| contour | 100 | 0.520 [0.470, 0.570] | 0.800" in part or "loss" in given["metric"]


def test_nothing_is_selected_before_every_run_of_its_group_is_there(grid):
    sweep, runs = grid
    (runs[0].folder / "cell.json").unlink()  # contour at 100, seed 0
    select = parse_selection({"metric": "validation.auc", "over": ["size"]}, tuple(FACTORS))
    outcomes = gather(replace(sweep, select=select), runs)
    assert [row.cell.name for row in selected(outcomes)] == ["level=box,size=400"]
    everything = parse_selection({"metric": "validation.auc"}, tuple(FACTORS))
    assert "Nothing is selected before every cell" in table_markdown(gather(replace(sweep, select=everything), runs))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "auc.macro"}, "'auc.macro' is no metric of validation, such as validation.auc"),
        ({"metric": "label_sets.truth.auc.macro", "over": ["size"]}, "no longer has an honest one"),
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
    grids = [path for path in studies if read_sweep(path).select is not None]
    # Reading refuses any other selection; a factor of plain numbers that are tuned needs one.
    assert [path.name for path in grids] == ["grid.yaml"]
    tuned = {"learning_rate", "batch_size", "dropout"}
    assert [path for path in studies if tuned & read_sweep(path).factors.keys() and path not in grids] == []
