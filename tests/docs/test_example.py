"""The example of the page on planning is what the application makes of it, and the truth is the simulation's."""

import re

import numpy as np
import pytest

from app.planning.pilot import read_pilots
from app.planning.planner import Planner
from app.planning.prices import read_prices
from benchmarks.example_hospital import HOSPITAL, table
from benchmarks.planning import LEVELS
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs/planning.md"
FOLDER = ROOT / "docs/plan"


def test_files_of_the_example_are_those_on_the_page():
    (prices,) = [block.text for block in blocks(PAGE) if block.file == "docs/plan/prices.yaml"]
    assert (FOLDER / "prices.yaml").read_text() == prices
    assert (FOLDER / "pilot.csv").read_text() == table()
    means = re.findall(r"^\| .* \| (0\.\d{3}) \| (0\.\d{3}) \| (0\.\d{3}) \| (0\.\d{3}) \|$", PAGE.read_text(), re.M)
    pilot = read_pilots(FOLDER / "pilot.csv", "auc.macro")[0]
    assert np.array(means, dtype=float) == pytest.approx(pilot.mean[:16].reshape(4, 4), abs=0.0005)


def test_the_plan_is_the_one_on_the_pages():
    page, readme = PAGE.read_text(), (ROOT / "README.md").read_text()
    expected, lower, upper, truth = map(
        float, re.search(r"\*\*the plan\*\* .* (0\.\d{3}) \((0\.\d{3}) to (0\.\d{3})\) \| (0\.\d{3}) \|", page).groups()
    )
    for number in (expected, lower, upper, truth):
        assert f"{number:.3f}" in readme
    planner = Planner(read_pilots(FOLDER / "pilot.csv", "auc.macro"), read_prices(FOLDER / "prices.yaml"))
    choice = planner.for_budget(6_000)
    assert (choice.metric.value, choice.metric.lower, choice.metric.upper) == pytest.approx(
        (expected, lower, upper),
        abs=0.005,  # another processor may round otherwise
    )
    assert planner.pilot.levels == LEVELS
    assert HOSPITAL.auc(choice.plan.sizes)[0] / 100 == pytest.approx(truth, abs=0.005)
