"""The forest plot: scales, ticks, and that it is well-formed."""

import xml.etree.ElementTree as ElementTree

import pytest

from app.comparing.comparison import compare_results
from app.comparing.forest import forest_file, ticks
from app.comparing.results import open_result


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.68, 0.96, [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]),
        (-0.17, 0.17, [-0.1, 0.0, 0.1]),
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected, abs=1e-12)


def test_plot_is_xml_with_a_mark_for_every_value(folder_of):
    results = [open_result(str(folder_of(name, strength))) for name, strength in (("a", 0.5), ("b", 1.5), ("c", 2.5))]
    study = compare_results(results)
    root = ElementTree.fromstring(forest_file(study.measures[0], study.letters, study.names))
    space = "{http://www.w3.org/2000/svg}"
    # Four blocks: three findings and their mean. The reference is a circle on the left, C a diamond on both sides.
    assert len(root.findall(f"{space}circle")) == 4
    assert len(root.findall(f"{space}path")) == 8
    texts = [text.text for text in root.findall(f"{space}text")]
    assert "Pneumothorax" in texts
    assert "3 findings" in texts
    assert texts[-3:] == ["A  a", "B  b", "C  c"]


def test_a_finding_without_a_value_leaves_its_row_empty(folder_of):
    folder = folder_of("one", 0.5)
    path = folder / "predictions.csv"
    lines = [line.replace("Effusion,0,", "Effusion,1,") for line in path.read_text().splitlines(keepends=True)]
    path.write_text("".join(lines))
    study = compare_results([open_result(str(folder))] * 2)
    plot = forest_file(study.measures[0], study.letters, study.names)
    assert "nan" not in plot
    assert "n/a" in plot
