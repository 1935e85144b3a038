"""The forest plot: a mark for every defined value, labels, and reproducible bytes."""

import numpy as np
import pytest

from app.comparing.comparison import RunComparison, compare_methods
from app.comparing.forest import forest_plot, forest_svg
from app.comparing.methods import open_methods


def marks(axes) -> dict[str, int]:
    """How many values are drawn, by marker."""
    drawn = [bars.lines[0] for bars in axes.containers]
    return {line.get_marker(): int(np.isfinite(np.array(line.get_xdata(), dtype=float)).sum()) for line in drawn}


@pytest.fixture
def comparison(folder_of) -> RunComparison:
    strengths = (("a", 0.5), ("$b_", 1.5), ("c", 2.5))
    return compare_methods(open_methods([str(folder_of(name, strength)) for name, strength in strengths]))


def test_every_value_and_difference_has_a_mark(comparison):
    figure = forest_plot(comparison.measures[0], comparison.letters, comparison.names)
    values, differences = figure.axes
    # Three findings and their mean; the reference differs from itself by nothing that is drawn.
    assert marks(values) == {"o": 4, "s": 4, "D": 4}
    assert marks(differences) == {"o": 0, "s": 4, "D": 4}
    labels = [label.get_text() for label in values.get_yticklabels()]
    assert [label.partition(":")[0] for label in labels[::4]] == [
        *("Effusion", "Pneumothorax", "Chest Drain", "macro average"),
    ]
    assert labels[1:4] == ["A", "B", "C"]
    assert labels[12] == "macro average: 3 findings"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A  a", "B  $b_", "C  c"]


def test_marks_are_at_the_values(comparison):
    measure = comparison.measures[0]
    values, differences = forest_plot(measure, comparison.letters, comparison.names).axes
    rows = [row for row in measure.all_rows if row.model == 1]
    assert list(values.containers[1].lines[0].get_xdata()) == [row.result.value for row in rows]
    assert list(differences.containers[1].lines[0].get_xdata()) == [row.difference.value for row in rows]
    low, high = differences.get_xlim()
    assert low == -high


def test_the_same_comparison_gives_the_same_bytes(comparison):
    first, second = (forest_svg(comparison.measures[0], comparison.letters, comparison.names) for _ in range(2))
    assert first == second
    assert first.startswith(b"<?xml")


def test_a_finding_without_a_value_leaves_its_lines_empty(folder_of):
    folder = folder_of("one", 0.5)
    path = folder / "predictions.csv"
    lines = [line.replace("Effusion,0,", "Effusion,1,") for line in path.read_text().splitlines(keepends=True)]
    path.write_text("".join(lines))
    comparison = compare_methods(open_methods([str(folder)] * 2))
    figure = forest_plot(comparison.measures[0], comparison.letters, comparison.names)
    values, differences = figure.axes
    assert marks(values) == {"o": 3, "s": 3}
    assert [label.get_text() for label in differences.get_yticklabels()][2] == "n/a"
