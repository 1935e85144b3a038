"""A comparison of runs in MLflow is logged under them; one test, as stores are slow to make."""

import json
import re
from pathlib import Path

import pytest

from app.cli import main
from app.comparing.comparison import compare_methods
from app.comparing.methods import open_methods
from app.pages import numbers
from app.tracking import Run, stored_run
from evaluation.margins import opposite


@pytest.fixture
def _store(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RANK", raising=False)


@pytest.mark.usefixtures("_store")
def test_comparison_is_logged_under_both_runs_and_a_report_knows_its_data(folder_of, tmp_path, capsys):
    for name, strength in (("image_level", 0.5), ("pixel_level", 2.5)):
        folder = folder_of(name, strength)
        with Run("study", name, folder=folder) as run:
            data = {"name": "Made", "fingerprint": "0123", "provenance.split": {"seed": 4}}
            run.tags({"data.split_fingerprint": str(strength)})
            run.text(json.dumps(data), "data.json")
            run.parameters({"strength": strength})
            for file in ("predictions.csv", "cases.csv"):
                run.artifact(folder / file)
    alone = tmp_path / "theirs.csv"
    alone.write_bytes((tmp_path / "image_level/predictions.csv").read_bytes())

    # A folder that knows its run, a run by its name, and a file that is no run.
    assert main(["compare", "image_level", "pixel_level", str(alone)]) == 0
    printed = capsys.readouterr().out
    assert "C not logged" in printed
    assert "different splits" in printed
    comparison = compare_methods(open_methods(["image_level", "pixel_level", str(alone)]))
    row = next(row for row in comparison.measures[0].rows if row.finding == "Effusion" and row.model == 1)
    place = "comparisons/image_level_vs_pixel_level_vs_theirs"
    for name, other, sign in (("image_level", "pixel_level", -1), ("pixel_level", "image_level", 1)):
        run = stored_run(name)
        names = {Path(path).name for path in run.artifacts(place)}
        assert names == {"comparison.csv", "comparison.html", "comparison.json", "forest_auc.svg"}
        assert "strength" in run.artifact(f"{place}/comparison.html").read_text()
        assert run.metrics == {}
        shown = numbers.difference(row.difference if sign > 0 else opposite(row.difference))
        assert run.tags[f"frugal.compared_with.{other}"].startswith(f"this run - that run: auc Effusion {shown}")
        worse = json.loads(run.tags[f"frugal.comparison.{stored_run(other).id}"])["worse"]
        assert bool(worse) == (sign < 0)
        assert run.status == "FINISHED"
    assert "frugal.compared_with.theirs" in stored_run("image_level").tags

    # Within a margin; then as methods of several runs, of which no promotion follows.
    assert main(["compare", "image_level", "pixel_level", "--margin", "0.3"]) == 0
    tag = stored_run("image_level").tags["frugal.compared_with.pixel_level"]
    assert re.search(r"margin 0\.3: that non-inferior p \(Holm\) <0\.0001, equivalent p \(Holm\) ", tag)
    for name, strength in (("image_again", 0.7), ("pixel_again", 2.7)):
        with Run("study", name, folder=folder_of(name, strength)) as run:
            run.artifact(tmp_path / name / "predictions.csv")
    groups = [["--group", kind, f"{kind}_level", f"{kind}_again"] for kind in ("image", "pixel")]
    assert main(["compare", *groups[0], *groups[1]]) == 0
    tags = stored_run("pixel_again").tags
    assert tags["frugal.compared_with.image"].startswith("this method - that method, means over runs: auc Effusion +")
    assert not [name for name in tags if name.startswith("frugal.comparison.")]
    assert stored_run("image_again").artifacts("comparisons/image_vs_pixel")

    # The same run twice is logged once, and its page names it.
    assert main(["compare", "pixel_level", stored_run("pixel_level").id, "--out", "twice"]) == 0
    assert "every difference is exactly 0" in Path("twice/comparison.html").read_text()

    assert main(["report", stored_run("pixel_level").id]) == 0
    text = Path("report-pixel_level.html").read_text()
    assert "<dt>name</dt><dd>Made</dd>" in text
    assert "<dt>split: seed</dt><dd>4</dd>" in text
    assert "<dt>strength</dt><dd>2.5</dd>" in text

    assert main(["compare", "pixel_level", "no-such-run"]) == 1
    assert "neither a file nor a folder" in capsys.readouterr().err
