"""``frugal power``: the numbers of evaluation arrive, in words and as JSON; what makes no sense is refused in words."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.sample_size.pilot import read_pilot
from evaluation import read_predictions
from evaluation.power import fewest, pilot_variance, power_of_difference, stated_variance

STATED = ["--auc", "0.8", "--correlation", "0.5", "--prevalence", "0.2"]
RATES = ["--rate", "0.8", "--disagree", "0.15"]


@pytest.fixture(scope="module")
def pilot(module_folder_of):
    return [str(module_folder_of(name, strength)) for name, strength in (("one", 0.5), ("two", 1.5))]


def printed_json(words, capsys):
    assert main(["power", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_pilot_gives_its_variance_and_a_cautious_one(pilot, capsys):
    words = ["difference", "--pilot", *pilot, "--finding", "Effusion", "--difference", "0.1"]
    answer = printed_json(words, capsys)
    first, second = (read_predictions(Path(folder) / "predictions.csv") for folder in pilot)
    score = np.stack([first.score[:, 0], second.score[:, 0]], axis=1)
    variance = pilot_variance(score, first.label[:, 0], first.patient)
    found = read_pilot(pilot, "Effusion")
    ratio = found.without / found.with_finding

    def enough(of):
        return fewest(lambda count: power_of_difference(of.at(count, math.ceil(count * ratio - 1e-6)), 0.1) >= 0.8)

    assert answer["needed"]["with_finding"] == enough(variance)
    assert answer["needed"]["cautious"]["with_finding"] == enough(variance.cautious(0.8)) > enough(variance)
    assert answer["needed"]["without"] == math.ceil(round(enough(variance) * ratio, 6))
    assert answer["pilot"]["design_effect"] == found.design_effect
    assert ratio == pytest.approx((1 - answer["prevalence"]) / answer["prevalence"])
    assert [row["power"] for row in answer["table"]] == [0.5, 0.7, 0.8, 0.9, 0.95]


def test_words_say_what_is_planned_and_draw_it(pilot, tmp_path, capsys):
    picture = tmp_path / "pictures/power.png"
    words = ["--pilot", *pilot, "--finding", "Effusion", "--margin", "0.05", "--tests", "3", "--picture", str(picture)]
    assert main(["power", "difference", *words]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "To show with a power of 80% that the new model's AUC is not lower by 0.05 or more, if it"
    )
    assert "(one-sided test at 0.833%)" in printed
    assert "Corrected for 3 tests: 1.67% instead of 5%" in printed
    assert "The difference that the pilot saw is not used" in printed
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_stated_areas_need_no_pilot(capsys):
    answer = printed_json(["difference", *STATED, "--difference", "0.05", "--design-effect", "1.5"], capsys)
    variance = stated_variance((0.8, 0.85), 0.5).times(1.5)
    expected = fewest(lambda count: power_of_difference(variance.at(count, 4 * count), 0.05) >= 0.8)
    assert answer["needed"] == {
        "power": 0.8,
        "with_finding": expected,
        "without": 4 * expected,
        "patients": 5 * expected,
    }


def test_obuchowskis_formula_gives_procs_number(capsys):
    # pROC: power.roc.test(auc = 0.7313686, power = 0.95, kappa = 1.7) needs 29.3 cases.
    words = ["--auc", "0.7313686", "--above", "0.5", "--power", "0.95", "--prevalence", str(1 / 2.7)]
    answer = printed_json(["area", *words, "--formula", "obuchowski"], capsys)
    assert answer["needed"]["with_finding"] == 30


def test_an_interval_gets_narrower_by_the_root_of_the_patients(capsys):
    answer = printed_json(["area", "--auc", "0.8", "--width", "0.1", "--prevalence", "0.5"], capsys)
    by_width = {row["width"]: row["with_finding"] for row in answer["table"]}
    assert by_width[0.05] / by_width[0.1] == pytest.approx(4, rel=0.02)


def test_sensitivity_counts_present_patients_and_specificity_absent_ones(capsys):
    effect = [*RATES, "--difference", "0.05", "--prevalence", "0.2"]
    needed = [printed_json([kind, *effect], capsys)["needed"] for kind in ("sensitivity", "specificity")]
    assert needed[0]["with_finding"] == needed[1]["without"]
    assert needed[0]["without"] == 4 * needed[0]["with_finding"]
    assert needed[1]["with_finding"] == -(-needed[1]["without"] // 4)
    alone = printed_json(["specificity", *RATES, "--difference", "0.05"], capsys)["needed"]
    assert alone == {"power": 0.8, "without": needed[1]["without"]}


def test_no_pilot_is_proposed_where_none_is_taken(capsys):
    assert "--pilot" not in str(printed_json(["sensitivity", *RATES, "--margin", "0.05"], capsys))
    assert "--pilot" in str(printed_json(["difference", *STATED, "--margin", "0.05"], capsys))


def test_a_small_pilot_says_so(folder_of, capsys):
    folder = folder_of("one", 0.5)
    path = folder / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[1:121]))
    assert main(["power", "area", "--pilot", str(folder), "--finding", "Effusion", "--width", "0.1"]) == 0
    assert "fewer than 30 patients of a class: plan by the cautious numbers" in capsys.readouterr().out


REFUSED = {
    "no difference": (["difference", *STATED], "say by --difference which difference is the smallest that matters"),
    "observed": (["difference", "--pilot", "{0}", "{1}", "--finding", "Effusion"], "is its p-value in another form"),
    "observed area": (["area", "--pilot", "{0}", "--finding", "Effusion", "--above", "0.6"], "It is not the pilot's"),
    "zero": (["difference", *STATED, "--difference", "0"], "no study shows a difference that is not there"),
    "area of 1": (["difference", *STATED, "--difference", "0.2"], "an area of 1 cannot be planned for"),
    "area of 0.5": (["area", "--auc", "0.5", "--width", "0.1", "--prevalence", "0.5"], "an area of 0.5 cannot be"),
    "below": (["area", "--auc", "0.7", "--above", "0.8", "--prevalence", "0.5"], "--above 0.8 with an AUC of 0.7"),
    "prevalence": (
        ["area", "--auc", "0.7", "--width", "0.1", "--prevalence", "1.5"],
        "--prevalence 1.5: must be above",
    ),
    "no prevalence": (["area", "--auc", "0.7", "--width", "0.1"], "say by --prevalence"),
    "no correlation": (["difference", "--auc", "0.7", "--difference", "0.1"], "--auc needs --correlation"),
    "correlation": (["difference", "--auc", "0.7", "--correlation", "1", "--difference", "0.1"], "a correlation of 1"),
    "inferior": (["difference", *STATED, "--margin", "0.05", "--difference=-0.05"], "worse by the margin is inferior"),
    "margin": (["difference", *STATED, "--margin", "2"], "--margin 2: must be above 0 and below 1"),
    "width": (["area", "--auc", "0.7", "--width", "0", "--prevalence", "0.5"], "--width 0: must be above 0"),
    "power": (["area", "--auc", "0.7", "--above", "0.5", "--prevalence", "0.5", "--power", "1"], "--power 1: must be"),
    "too little": (
        ["area", "--auc", "0.7", "--above", "0.5", "--power", "0.01"],
        "must be above the level of the test",
    ),
    "tests": (["area", "--auc", "0.7", "--width", "0.1", "--tests", "0"], "--tests 0: must be 1 or more"),
    "design effect": (["area", "--auc", "0.7", "--width", "0.1", "--design-effect", "0.5"], "must be 1 or more"),
    "unused correlation": (
        ["difference", "--pilot", "{0}", "{1}", "--correlation", "0.5", "--margin", "0.1"],
        "leave it",
    ),
    "unused finding": (["area", "--auc", "0.7", "--width", "0.1", "--finding", "Effusion"], "it belongs to --pilot"),
    "its own design effect": (["area", "--pilot", "{0}", "--width", "0.1", "--design-effect", "2"], "leave it out"),
    "power of a width": (
        ["area", "--auc", "0.7", "--width", "0.1", "--prevalence", "0.5", "--power", "0.9"],
        "--power: it belongs to --above",
    ),
    "true area of a width": (
        ["area", "--pilot", "{0}", "--finding", "Effusion", "--width", "0.1", "--true", "0.9"],
        "--true: it belongs to --above",
    ),
    "picture": (["sensitivity", *RATES, "--margin", "0.05", "--picture", "a.bmp"], "a.bmp: its name must end in .png"),
    "disagree": (["sensitivity", "--rate", "0.8", "--disagree", "0.01", "--difference", "0.05"], "at least 0.05 and"),
    "rate": (["specificity", "--rate", "0.98", "--disagree", "0.1", "--difference", "0.05"], "both must lie between"),
    "finding": (["area", "--pilot", "{0}", "--finding", "Efusion", "--width", "0.1"], "Did you mean 'Effusion'?"),
    "findings": (["area", "--pilot", "{0}", "--width", "0.1"], "several findings; name one by --finding"),
    "endless": (["difference", *STATED, "--difference", "0.000001"], "no study can show that"),
    "twice": (["difference", "--pilot", "{0}", "{0}", "--finding", "Effusion", "--difference", "0.1"], "no variance"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_the_impossible_is_refused_in_one_line(words, message, pilot, capsys):
    assert main(["power", *(word.format(*pilot) for word in words)]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_the_difference_that_the_pilot_saw_is_refused_if_it_is_copied(pilot, capsys):
    first, second = read_pilot(pilot, "Effusion").areas
    words = ["power", "difference", "--pilot", *pilot, "--finding", "Effusion", "--difference"]
    assert main([*words, f"{second - first:.3f}"]) == 1
    assert "is what the pilot saw" in capsys.readouterr().err
    assert main([*words, f"{second - first:.1f}"]) == 0  # a round number may be what matters


def test_a_pilot_without_present_patients_is_refused(pilot, tmp_path, capsys):
    folder = tmp_path / "none"
    shutil.copytree(pilot[0], folder)
    path = folder / "predictions.csv"
    path.write_text(path.read_text().replace("Effusion,1,", "Effusion,0,"))
    assert main(["power", "area", "--pilot", str(folder), "--finding", "Effusion", "--width", "0.1"]) == 1
    assert "none, Effusion: 0 patients of the pilot have present cases" in capsys.readouterr().err
