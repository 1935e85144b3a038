"""Pictures of cases: which are chosen, and what is drawn of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from app.contract import Prediction
from app.engines.case_pictures import cases, chosen_cases, draw_case
from app.engines.located import MapReading
from app.engines.outputs import BINS, Outputs
from app.engines.record import ModelRecord

RECORD = ModelRecord(("Nodule", "Mass"), {}, (0.5, 0.5), (0.5, 0.5))


def outputs(n: int = 30) -> Outputs:
    """Rows 3, 5 and 8 are located, with Dice 1, 0 and 2/3 at 0.5 by hand; those of even number are called."""
    inside, outside = np.zeros((3, BINS), np.int32), np.zeros((3, BINS), np.int32)
    inside[0, 900], inside[1, 100], inside[2, 900], outside[2, 900] = 4, 4, 4, 4
    rank = np.linspace(0.1, 3, n)
    label = np.zeros((n, 2), np.float32)
    label[[3, 5, 8], 0], label[10:, 1] = 1, 1
    return Outputs(
        index=np.arange(n)[::-1],
        logit=np.stack([np.where(np.arange(n) % 2, -rank, rank), rank - 1], axis=1),
        label=label,
        located_row=np.array([3, 5, 8]),
        located_finding=np.zeros(3, dtype=np.int64),
        inside=inside,
        outside=outside,
        missed=np.zeros(3),
        hit=np.array([True, False, True]),
    )


def of_dice(count: int) -> Outputs:
    """Present cases of which one more pixel in ten is found with each row, and none that is absent."""
    inside, outside = np.zeros((count, BINS), np.int32), np.zeros((count, BINS), np.int32)
    for row in range(count):
        inside[row, 900], inside[row, 100] = 100 - row, row
    return Outputs(
        index=np.arange(count),
        logit=np.ones((count, 1)),
        label=np.ones((count, 1), np.float32),
        located_row=np.arange(count),
        located_finding=np.zeros(count, dtype=np.int64),
        inside=inside,
        outside=outside,
        missed=np.zeros(count),
        hit=np.ones(count, dtype=bool),
    )


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (20, {"best": [0, 1, 2, 3], "typical": [8, 9, 10, 11], "worst": [16, 17, 18, 19]}),
        (7, {"best": [0, 1], "typical": [2, 3], "worst": [5, 6]}),
        (5, {"best": [0], "typical": [2], "worst": [4]}),
        (3, {"best": [0], "typical": [1], "worst": [2]}),
        (2, {"best": [0], "worst": [1]}),
        (1, {"best": [0]}),
        (0, {}),
    ],
)
def test_best_typical_and_worst_are_different_cases(count, expected):
    chosen = chosen_cases(of_dice(count), 0, ModelRecord(("Nodule",), {}, (0.5,), (0.5,)))
    assert {kind: [case.row for case in chosen if case.kind == kind] for kind in expected} == expected
    assert len(chosen) == sum(map(len, expected.values()))


def test_located_cases_go_by_dice_and_false_alarms_by_score():
    chosen = chosen_cases(outputs(), 0, RECORD)
    assert [(case.kind, case.row, case.measure) for case in chosen[:3]] == [
        ("best", 3, "Dice 1.00"),
        ("typical", 8, "Dice 0.67"),
        ("worst", 5, "Dice 0.00"),
    ]
    assert [case.is_called for case in chosen[:3]] == [False, True, False], "rows of odd number are not called"
    # Of the absent rows of even number, the last has the highest score: its logit, by hand, is 0.1 + 28 * 0.1.
    assert chosen[3:] == [("false alarm", 28, f"score {1 / (1 + np.exp(-2.9)):.2f}", True)]


def test_cases_that_are_located_nowhere_go_by_score():
    given = outputs()
    chosen = chosen_cases(given, 1, RECORD)
    assert [case.row for case in chosen if case.kind == "best"] == [29, 28, 27, 26]
    assert [case.row for case in chosen if case.kind == "worst"] == [13, 12, 11, 10]
    assert chosen[0].measure == f"score {given.score[29, 1]:.2f}"
    given.inside[:] = 0  # annotated as nowhere
    assert chosen_cases(given, 0, RECORD)[0].measure.startswith("score")


def test_a_finding_that_is_neither_present_nor_called_has_no_case():
    given = outputs()
    given.label[:, 1] = 0
    given.logit[:, 1] = -1
    assert chosen_cases(given, 1, RECORD) == []
    given.logit[4, 1] = 0.5
    (alarm,) = chosen_cases(given, 1, RECORD)
    assert (alarm.kind, alarm.row) == ("false alarm", 4)
    given.label[4, 1] = -1  # uncertain
    assert chosen_cases(given, 1, RECORD) == []


@pytest.mark.parametrize(
    ("probability", "is_outlined"), [(np.zeros((8, 8)), False), (np.ones((8, 8)), False), (np.eye(8), True)]
)
def test_a_case_is_outlined_where_its_map_crosses_the_threshold(probability, is_outlined):
    axes = Figure().subplots()
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    draw_case(axes, image, probability, 0.5)
    shown, veil = axes.images
    assert np.array_equal(shown.get_array(), image)
    assert np.array_equal(veil.get_alpha(), probability * 0.45)
    assert bool(axes.collections) == is_outlined


def evaluator(given: Outputs, maps: torch.Tensor) -> SimpleNamespace:
    """A substitute for an evaluator: item ``i`` is of grey value ``i``, with its first finding in the first row."""
    masks = torch.zeros(len(given.index), 2, 8, 8, dtype=torch.uint8)
    masks[:, 0, 0] = 1
    images = torch.arange(len(given.index), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    dataset = [{"image": image, "mask": mask, "name": "secret"} for image, mask in zip(images, masks, strict=True)]

    def predict(image: torch.Tensor) -> Prediction:
        repeated = maps.expand(len(image), -1, -1, -1)
        return Prediction(repeated.amax(dim=(2, 3)), repeated)

    return SimpleNamespace(
        outputs=given, dataset=dataset, predict=predict, collected=SimpleNamespace(reading=MapReading(), truth=None)
    )


def test_figures_show_the_items_of_their_rows_without_names_and_maps_of_what_was_called():
    maps = torch.zeros(1, 2, 8, 8)  # a map of one half everywhere but in a corner
    maps[..., 0, 0] = 5
    (first, nodule), (second, mass) = cases(evaluator(outputs(), maps), RECORD)
    assert (first, second) == ("Nodule", "Mass")
    titles = [axes.get_title() for axes in nodule.axes]
    # Rows go against the index.
    assert [title.split("\n")[1] for title in titles] == [
        "case 26, not called",
        "case 21",
        "case 24, not called",
        "case 1",
    ]
    assert [int(axes.images[0].get_array().max()) for axes in nodule.axes] == [26, 21, 24, 1]
    assert [len(axes.images) for axes in nodule.axes] == [1, 2, 1, 2], "a map if it was called"
    assert titles[0].startswith("best: Dice 1.00, score 0.")
    assert titles[3].startswith("false alarm: score 0.95")
    legend = [text.get_text() for text in nodule.legends[0].get_texts()]
    assert legend == ["annotated", "map, if called", "its outline at 0.50"]
    # By hand: of the located rows 3, 5 and 8 one is even; so are 14 of the 27 others.
    assert nodule.get_suptitle() == "Nodule: 1 of 3 present and 14 of 27 absent cases called, from a score of 0.50"
    titles = [axes.get_title() for axes in mass.axes if axes.get_title()]
    assert len(titles) == 12, "no false alarm: all called cases are present"
    assert [text.get_text() for text in mass.legends[0].get_texts()] == ["map, if called", "its outline at 0.50"]
    assert not any("secret" in title for title in titles)
