"""Marks of maps against lesions and normal images: by hand, and whatever the batches."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys

from app.contract import Prediction, Target
from app.datalist.item import RunLengths
from app.engines.free_response import RATES, FreeResponse
from app.engines.located import StoredTruth
from app.engines.outputs import BINS, Outputs
from app.engines.record import ModelRecord
from app.engines.results import write_lesions
from evaluation import auc, read_predictions
from evaluation.froc import Matches, froc_curve, froc_sensitivity, jafroc_figure

SIZE, CELLS = (80, 80), 8
"""The radiograph, and the map of cells of 10 x 10 pixels."""
LOW = -5.0
RECORD = ModelRecord(("Nodule",), {}, (0.5,), (0.5,))
REGION = (0.0, 0.0, 80.0, 80.0)


def item(label: float, boxes: list[list[float]], masks: tuple[RunLengths, ...] = (), patient: str = "") -> dict:
    given = np.array(boxes, np.float32).reshape(-1, 4)
    located = {"boxes": given, "box_finding": np.zeros(len(given), np.int64), "mask": [(0, mask) for mask in masks]}
    return {"label": label, "patient": patient, "annotated": bool(boxes or masks), **located}


def outline(*squares: tuple[int, int, int]) -> RunLengths:
    """Squares (row, column, side) as one mask."""
    mask = np.zeros(SIZE, bool)
    for row, column, side in squares:
        mask[row : row + side, column : column + side] = True
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    return RunLengths(SIZE, tuple(np.diff(np.flatnonzero(flat[1:] != flat[:-1]), prepend=0).tolist()))


def a_map(*peaks: tuple[int, int, float]) -> torch.Tensor:
    """A map with single cells (row, column) of a logit."""
    cells = torch.full((CELLS, CELLS), LOW)
    for row, column, logit in peaks:
        cells[row, column] = logit
    return cells


def marked(
    items: list[dict], maps: list[torch.Tensor], size: int = 2, region: tuple[float, ...] = REGION
) -> FreeResponse:
    """A pass in batches of ``size``."""
    for number, each in enumerate(items):
        each["patient"] = each["patient"] or str(number)
    stack = torch.stack(maps)[:, None]
    label = torch.tensor([[each["label"]] for each in items])
    annotated = torch.tensor([[each["annotated"]] for each in items])

    def step(engine: Engine, rows: list[int]) -> dict:
        engine.state.batch = {
            "index": torch.tensor(rows),
            "region": torch.tensor([region] * len(rows)),
            "original_size": torch.tensor([SIZE] * len(rows)),
        }
        mask = torch.zeros(len(rows), 1, CELLS, CELLS)
        target = Target(label[rows], mask, annotated[rows])
        return {CommonKeys.PRED: Prediction(stack[rows].amax(dim=(2, 3)), stack[rows]), CommonKeys.LABEL: target}

    engine = Engine(step)
    engine.collected = SimpleNamespace(truth=StoredTruth(items))
    report = FreeResponse(RECORD)
    report.attach(engine)
    engine.run([list(range(len(items)))[at : at + size] for at in range(0, len(items), size)])
    return report


def measured(
    items: list[dict], maps: list[torch.Tensor], size: int = 2, region: tuple[float, ...] = REGION, hits: tuple = ()
) -> dict:
    report = marked(items, maps, size, region)
    lesioned = [n for n, each in enumerate(items) if each["annotated"]]
    outputs = Outputs(
        index=np.arange(len(items)),
        logit=torch.stack(maps).amax(dim=(1, 2)).double().numpy()[:, None],
        label=np.array([[each["label"]] for each in items]),
        located_row=np.array(lesioned, dtype=np.int64),
        located_finding=np.zeros(len(lesioned), dtype=np.int64),
        inside=np.ones((len(lesioned), BINS)),
        outside=np.zeros((len(lesioned), BINS)),
        missed=np.zeros(len(lesioned)),
        hit=np.array(hits or [True] * len(lesioned), dtype=bool),
    )
    return report(outputs, items, RECORD)


def example() -> tuple[list[dict], list[torch.Tensor]]:
    """Two boxes of which one is marked, a mask of two regions, and two normal images; one image is not located."""
    items = [
        item(1, [[20, 20, 20, 20], [60, 60, 15, 15]]),
        item(1, [], (outline((0, 0, 15), (50, 50, 20)),)),
        item(0, []),
        item(0, []),
        item(1, []),
    ]
    maps = [
        a_map((3, 3, 2.0), (0, 7, 1.0)),  # a hit at x, y = 35, 35, and a false mark
        a_map((5, 5, 3.0), (0, 5, 0.5)),  # a hit of the second region, and a false mark
        a_map((2, 6, 2.5)),
        a_map((4, 4, -1.0)),
        a_map((4, 4, 9.0)),
    ]
    return items, maps


def test_by_hand():
    # Lesions: 2, not marked (the background is a plateau of low marks), 3 and not marked. Every map's background is one
    # plateau, whose centre lies where it may hit: it is the lowest mark everywhere, at -5.
    items, maps = example()
    result = measured(items, maps)
    entry = result["afroc_area"]["Nodule"]
    assert (entry["lesions"], entry["images"], entry["normal_images"], entry["patients"]) == (4, 2, 2, 2)
    # 2 beats -1, and 3 both; the two lesions that are not marked lose both: 3 of 8 pairs.
    assert entry["value"] == pytest.approx(3 / 8)
    assert entry["lower"] < entry["value"] < entry["upper"]
    assert result["weighted_afroc_area"]["Nodule"]["value"] == pytest.approx(3 / 8)
    # By image: the scores 2 and 3 against 2.5 and -1.
    assert result["lroc_area"]["Nodule"]["value"] == pytest.approx(3 / 4)
    assert result["afroc_area"]["macro"]["findings"] == 1


def test_a_wrong_place_loses_in_lroc():
    items, maps = example()
    assert measured(items, maps, hits=(True, False))["lroc_area"]["Nodule"]["value"] == pytest.approx(1 / 4)


def test_sensitivity_at_rates_of_false_marks():
    items, maps = example()
    result = measured(items, maps)["froc_sensitivity"]
    assert list(result) == [f"{rate:g} false marks an image" for rate in RATES]
    # False marks 1, 0.5, 2.5 and -1, and the lowest of each image; lesions at 3 and 2; four images.
    low = [LOW] * 4
    matches = Matches(
        np.array([2.0, -np.inf, 3.0, -np.inf]),
        np.array([0, 0, 1, 1]),
        np.array([1.0, 0.5, 2.5, -1.0, *low]),
        np.array([0, 1, 2, 3, 0, 1, 2, 3]),
        images=4,
    )
    expected = froc_sensitivity(froc_curve(matches), RATES)
    assert [entry["Nodule"]["value"] for entry in result.values()] == pytest.approx(expected.tolist())


@pytest.mark.parametrize("size", [1, 3, 5])
def test_batches_do_not_matter(size):
    items, maps = example()
    assert measured(items, maps, size) == measured(items, maps)


def test_marks_beyond_the_radiograph_do_not_count():
    # The map covers 80 pixels more to the left, where its highest cell lies.
    items, maps = [item(1, [[40, 40, 40, 40]]), item(0, [])], [a_map((6, 6, 1.0), (6, 1, 9.0)), a_map((2, 2, 9.0))]
    result = measured(items, maps, region=(-80.0, 0, 160, 80))
    # Nothing but the plateau is left in the normal image.
    assert result["afroc_area"]["Nodule"]["value"] == 1


def test_without_lesions_or_normal_images_nothing_is_measured():
    items, maps = example()
    assert measured(items[:2], maps[:2]) == {}
    assert measured(items[2:], maps[2:]) == {}


def test_the_area_is_that_of_jafroc_for_random_maps():
    generator = np.random.default_rng(0)
    items, maps, lesion, owner, false, of = [], [], [], [], [], []
    for number in range(30):
        row, column = generator.integers(0, CELLS, 2).tolist()
        logits = generator.normal(size=(CELLS, CELLS))
        present = number % 3 == 0
        items.append(item(float(present), [[10 * column, 10 * row, 10, 10]] if present else []))
        maps.append(torch.from_numpy(logits))
        padded = np.pad(logits, 1, constant_values=-np.inf)
        is_peak = np.array(
            [[padded[r : r + 3, c : c + 3].max() == logits[r, c] for c in range(CELLS)] for r in range(CELLS)]
        )
        if present:
            # Of more than ten marks the highest ten count.
            is_marked = is_peak[row, column] and (logits[is_peak] > logits[row, column]).sum() < 10
            lesion.append(logits[row, column] if is_marked else -np.inf)
            owner.append(number)
        else:
            false.append(logits.max())
            of.append(number)
    expected = jafroc_figure(Matches(np.array(lesion), np.array(owner), np.array(false), np.array(of), 30))
    assert measured(items, maps, size=7)["afroc_area"]["Nodule"]["value"] == pytest.approx(expected, abs=1e-12)


def test_lesions_and_normal_images_are_written_to_compare_runs_on_them(tmp_path):
    items, maps = example()
    for number, each in enumerate(items):
        each["name"] = f"{number}.png"
    report = marked(items, maps)
    table = report.lesions(items)
    write_lesions(table, tmp_path / "lesions.csv")
    read = read_predictions(tmp_path / "lesions.csv")
    lesions = [f"{image}.png, Nodule {number}" for image in (0, 1) for number in (1, 2)]
    assert read.image.tolist() == [*lesions, "2.png", "3.png"]
    assert read.label[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    assert read.rank[:, 0].tolist() == [2, -np.inf, -np.inf, 3, 2.5, -1]
    # Its area under the ROC curve is that under the AFROC curve.
    assert auc(read.rank[:, 0], read.label[:, 0]) == measured(items, maps)["afroc_area"]["Nodule"]["value"]
    assert marked(items[:2], maps[:2]).lesions(items) is None
