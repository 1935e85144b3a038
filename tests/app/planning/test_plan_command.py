"""``frugal plan`` from files to files."""

import json
import re
from pathlib import Path

import pytest
import yaml

from app.cli import main
from app.datalist.file import write_datalist
from app.planning.plan_output import PICTURES
from app.sweeps.study_file import read_sweep

PRICES = "unit: EUR\npool: 5000\nlevels: {image: {each: 1}, box: {each: 5}}\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A price list, and the table of a pilot in which n images give an area of 0.5 + 0.45 n / (n + 300)."""
    prices, table = tmp_path / "prices.yaml", tmp_path / "table.csv"
    prices.write_text(PRICES)
    rows = ["metric,n_image,n_box,seed_0,seed_1"]
    for image, box in ((100, 0), (400, 0), (0, 100), (0, 400), (200, 200)):
        area = 0.5 + 0.45 * (image + box) / (image + box + 300)
        rows.append(f"auc.macro,{image},{box},{area - 0.01},{area + 0.01}")
    table.write_text("\n".join(rows))
    return prices, table


def test_words_json_and_page_agree(files, tmp_path, capsys):
    words = ["plan", *map(str, (files[0], "--pilot", files[1])), "--budget", "2000"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    bought = re.search(r"Buy ([\d,]+) image", text)
    assert bought is not None
    assert plan["recommended"]["image"] == int(bought[1].replace(",", ""))
    assert plan["cost"] <= 2000
    assert plan["metric"]["lower"] < plan["metric"]["value"] < plan["metric"]["upper"] < 1
    assert f"{plan['metric']['value']:.3f}" in text
    assert {each["rule"] for each in plan["alternatives"]} >= {"equal split", "all image", "all box"}
    assert (plan["p_target"], plan["target"], plan["budget"], plan["unit"]) == (None, None, 2000, "EUR")
    assert plan["total"] == plan["recommended"]  # nothing is owned
    assert [each["cost"] for each in plan["front"]] == sorted(each["cost"] for each in plan["front"])
    page = (tmp_path / "out" / "plan.html").read_text()
    assert f"{plan['metric']['value']:.3f}" in page
    assert page.count("data:image/png;base64") == len(PICTURES)
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == plan


def test_a_target_has_its_probability(files, capsys):
    assert main(["plan", str(files[0]), "--pilot", str(files[1]), "--target", "0.8", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["p_target"] >= 0.8
    # 0.5 + 0.45 n / (n + 300) = 0.8 at n = 600.
    assert 500 <= plan["cost"] <= 3000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prices.yaml", "--pilot", "table.csv"], "needs --budget MONEY or --target VALUE"),
        (["prices.yaml", "--budget", "5"], "needs PRICES.yaml and --pilot"),
        (["prices.yaml", "--pilot", "table.csv", "--budget", "0.5"], "--budget 0.5: does not pay for one image"),
        (["prices.yaml", "--pilot", "table.csv", "--budget", "nan"], "--budget nan: does not pay for one image"),
        (["prices.yaml", "--pilot", "no.csv", "--budget", "5"], "no.csv: no such table"),
        (["no.yaml", "--pilot", "table.csv", "--budget", "5"], "no.yaml: cannot be read"),
        (
            ["prices.yaml", "--pilot", "table.csv", "--target", "0.9", "--certainty", "2"],
            "--certainty 2: must be above 0",
        ),
        (["--make-pilot", "100"], "--make-pilot needs --datalist"),
    ],
)
def test_what_is_wrong_is_one_line(files, monkeypatch, capsys, words: list[str], message: str):
    monkeypatch.chdir(files[0].parent)
    assert main(["plan", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_pilot_is_a_study_with_all_sizes_levels_and_mixtures(datalist, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_datalist(datalist, tmp_path / "mine.json")
    words = ["plan", "--make-pilot", "32", "--datalist", "mine.json", "--seeds", "2", "--epochs", "3", "--untimed"]
    assert main([*words, "--out", "first.yaml"]) == 0
    assert "14 cells and 2 seeds" in capsys.readouterr().out  # three levels at four sizes, and two mixtures
    sweep = read_sweep(tmp_path / "first.yaml")
    study = yaml.safe_load((tmp_path / "first.yaml").read_text())
    cells = study["factors"]["annotations"]
    assert len(sweep.cells) == len(cells)
    # All sizes make as many steps: 3 epochs of 32 images.
    images = {
        name: cell["data"].get("images", sum(cell["data"].get("mix", {}).values())) for name, cell in cells.items()
    }
    assert {count for name, count in images.items() if "mix" not in cells[name]["data"]} == {4, 8, 16, 32}
    for name, cell in cells.items():
        assert cell["max_epochs"] * images[name] >= 3 * 32 > (cell["max_epochs"] - 1) * images[name]


def test_a_pilot_larger_than_its_datalist_is_refused(datalist, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_datalist(datalist, tmp_path / "mine.json")
    assert main(["plan", "--make-pilot", "100000", "--datalist", "mine.json"]) == 1
    count = len(datalist.sections["training"])
    assert f"must be 16 to {count}, the training images of mine.json" in capsys.readouterr().err
