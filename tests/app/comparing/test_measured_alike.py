"""Runs that measured regions differently are not compared on them, and what may matter is named."""

import json

import pytest

from app.comparing.comparison import compare_methods
from app.comparing.methods import open_methods

STORED = {
    "grid": "pixels of the stored radiographs",
    "map": "bilinear between cells' centres",
    "truth": "boxes as rectangles, masks as they are",
    "cut_off": "what a crop cut off counts as missed",
}
INPUT = STORED | {"grid": "pixels of the network's input", "truth": "as drawn for the network"}


@pytest.fixture
def compared(folder_of):
    """Compare two runs with these facts about regions (None: no metrics.json) and image sizes."""

    def compare(first, second, sizes=(128, 128)):
        words = []
        for name, strength, regions, size in (("one", 0.5, first, sizes[0]), ("two", 1.5, second, sizes[1])):
            folder = folder_of(name, strength)
            words.append(str(folder))
            (folder / "config.yaml").write_text(f"image_size: {size}\n")
            if regions is not None:
                (folder / "metrics.json").write_text(json.dumps({"regions": regions}))
        return compare_methods(open_methods(words, look_up=False))

    return compare


def keys(comparison):
    return [measure.key for measure in comparison.measures]


def test_the_same_facts_are_compared_without_a_note(compared):
    comparison = compared(STORED, STORED)
    assert keys(comparison) == ["auc", "dice"]
    assert comparison.notes == ()


def test_another_grid_is_refused_for_regions_alone(compared):
    comparison = compared(STORED, INPUT)
    assert keys(comparison) == ["auc"]
    assert comparison.notes == (
        "Dice is not compared, as regions were not measured alike (A (one): pixels of the stored radiographs; "
        "B (two): pixels of the network's input).",
    )


def test_another_treatment_of_the_crop_is_refused(compared):
    comparison = compared(STORED, STORED | {"cut_off": "what a crop cut off is not known"})
    assert keys(comparison) == ["auc"]


def test_inputs_of_another_size_matter_if_regions_were_measured_on_them(compared):
    comparison = compared(INPUT, INPUT, sizes=(128, 256))
    assert keys(comparison) == ["auc"]
    assert "image_size: 128 for A (one), 256 for B (two)" in comparison.notes[0]


def test_inputs_of_another_size_are_named_if_regions_were_measured_on_radiographs(compared):
    comparison = compared(STORED, STORED, sizes=(128, 256))
    assert keys(comparison) == ["auc", "dice"]
    assert comparison.notes == (
        "The networks saw other inputs (image_size: 128 for A (one), 256 for B (two)); the differences between the "
        "models include that.",
    )


def test_another_reading_of_maps_is_named(compared):
    comparison = compared(STORED, STORED | {"map": "patches: each cell has one value throughout"})
    assert keys(comparison) == ["auc", "dice"]
    assert "Maps were read differently: A (one): bilinear" in comparison.notes[0]


def test_a_run_that_does_not_say_is_named(compared):
    comparison = compared(STORED, None)
    assert keys(comparison) == ["auc", "dice"]
    assert comparison.notes[0].startswith("How B (two) measured regions is not known")


def test_a_damaged_file_of_metrics_is_named(compared, folder_of):
    folder = folder_of("three", 2.5)
    (folder / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics\.json: not the results of a run"):
        compare_methods(open_methods([str(folder)] * 2, look_up=False))
