"""Regions on the stored radiographs: what a crop cuts off counts as missed, for boxes and masks alike."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.transforms import Compose
from monai.utils.enums import CommonKeys

from app.contract import Prediction, Target
from app.datalist.item import RunLengths
from app.engines import EvaluationLoader, MixedPrecisionInferer, RadiographEvaluator
from app.engines.collect import CollectOutputs
from app.engines.located import MapReading, StoredTruth
from app.engines.measures import metrics
from app.engines.outputs import Outputs
from app.engines.record import ModelRecord, choose_thresholds
from app.prepared import PreparedDataset
from evaluation.overlap import dice, iou
from transforms import CropLungsd, DrawAnnotationsd, LoadRadiographd, ResizeRadiographd
from transforms.regions import restore_map

SURE = 20.0
"""A logit whose probability rounds to 1."""


def collected(
    samples: list[dict], maps: torch.Tensor, region: tuple[float, ...], size: tuple[int, int], **reading: bool
) -> Outputs:
    """A pass in batches of two over items of one finding, whose maps are all of one region."""
    collect = CollectOutputs(reading=MapReading(**reading), truth=StoredTruth(samples))

    def step(engine: Engine, rows: list[int]) -> dict:
        count = len(rows)
        engine.state.batch = {
            "index": torch.tensor(rows),
            "region": torch.tensor([region] * count, dtype=torch.float32),
            "original_size": torch.tensor([size] * count),
        }
        # The mask on the network's input is empty: it must not be used.
        target = Target(torch.ones(count, 1), torch.zeros(count, 1, 4, 4), torch.ones(count, 1).bool())
        return {CommonKeys.PRED: Prediction(maps[rows].amax(dim=(2, 3)), maps[rows]), CommonKeys.LABEL: target}

    engine = Engine(step)
    collect.attach(engine)
    engine.run([list(range(len(samples)))[at : at + 2] for at in range(0, len(samples), 2)])
    return collect.outputs


def boxed(*boxes: list[float]) -> dict:
    given = np.array(boxes, np.float32).reshape(-1, 4)
    return {"name": "a", "patient": "p", "study": "", "view": "", "source": "", "attributes": {}, "mask": []} | {
        "boxes": given,
        "box_finding": np.zeros(len(given), np.int64),
    }


def masked(*boxes: list[int], size: tuple[int, int] = (100, 100)) -> dict:
    """The same places as a mask in run lengths."""
    mask = np.zeros(size, bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    flat = np.concatenate([[False], mask.ravel(order="F"), [not mask[-1, -1]]])
    counts = np.diff(np.flatnonzero(flat[1:] != flat[:-1]), prepend=0)
    return boxed() | {"mask": [(0, RunLengths(size, tuple(counts.tolist())))]}


# The network sees the right half of 100 x 100 pixels, and finds all of the second item that it sees.
CROP = (50, 0, 50, 100)
OFF, HALF = [0, 20, 40, 40], [30, 20, 40, 40]


def seen(grid: tuple[int, int]) -> torch.Tensor:
    """Maps of two items: high at x 50 to 70, y 20 to 60, which the second item's place reaches into."""
    maps = torch.full((2, 1, *grid), -SURE)
    maps[:, :, grid[0] // 5 : grid[0] * 3 // 5, : grid[1] * 2 // 5] = SURE
    return maps


@pytest.mark.parametrize("place", [boxed, masked])
# Bilinear between pixels' own centres is the pixels themselves.
@pytest.mark.parametrize(("grid", "patches"), [((10, 5), True), ((100, 50), False)], ids=["patches", "bilinear"])
def test_what_a_crop_cuts_off_is_missed(place, grid, patches):
    samples = [place(OFF), place(HALF)]
    outputs = collected(samples, seen(grid), CROP, (100, 100), patches=patches)
    found = outputs.overlaps(0, 0.5)
    # By hand: 800 of 1600 pixels are found, and nothing else.
    assert found.rows.tolist() == [0, 1]
    assert found.iou.tolist() == pytest.approx([0, 0.5])
    assert found.ior.tolist() == pytest.approx([0, 1])
    assert found.hit.tolist() == [False, True]
    assert outputs.dice(0, 0.5)[1].tolist() == pytest.approx([0, 2 / 3])
    assert outputs.missed.tolist() == pytest.approx([1600, 800])
    # Aggregated: 2 * 800 over twice 800 found and 3200 true ones.
    _, part, whole = outputs.dice_parts(0, 0.5)
    assert part.sum() / whole.sum() == pytest.approx(1600 / 4800)
    assert outputs.best_macro_dice() == pytest.approx(1 / 3)
    record = choose_thresholds(outputs, ("Nodule",), {})
    result = metrics(outputs, samples, record)
    assert result["hit_rate"]["Nodule"]["value"] == 0.5
    assert result["iou_accuracy"]["T 0.5"]["Nodule"]["value"] == 0.5
    assert result["dice"]["Nodule"]["images"] == 2
    assert result["dice"]["Nodule"]["worst"] == 0


def test_a_relative_reading_takes_a_share_of_each_maps_own_highest_logit_off():
    maps = torch.tensor([[[[4.0, 0.0]], [[-6.0, -9.0]]]])
    # By hand: 4 - 0.5 * 4 and 0 - 0.5 * 4; -6 + 0.5 * 6 and -9 + 0.5 * 6, so that what is absent everywhere stays low.
    expected = torch.sigmoid(torch.tensor([[[[2.0, -2.0]], [[-3.0, -6.0]]]], dtype=torch.float64))
    np.testing.assert_allclose(MapReading(relative=0.5).probability(maps), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="relative is 2"):
        MapReading(relative=2)
    infinite = torch.tensor([[[torch.inf, 0.0]], [[-torch.inf, 1.0]], [[-torch.inf, -torch.inf]]])
    # 1 - 0.5 * 1 is the one finite logit that is left; all others are infinite, or far below an infinite one.
    expected = [[[1, 0]], [[0, torch.sigmoid(torch.tensor(0.5)).item()]], [[0, 0]]]
    np.testing.assert_allclose(MapReading(relative=0.5).probability(infinite), expected, rtol=1e-6)


def test_patches_are_measured_by_their_exact_areas():
    generator = np.random.default_rng(0)
    boxes = np.concatenate([generator.uniform(0, 60, (6, 2)), generator.uniform(5, 40, (6, 2))], axis=1)
    boxes = boxes.astype(np.float32).astype(float)
    maps = torch.from_numpy(generator.normal(0, 2, (6, 1, 10, 7)))
    outputs = collected([boxed(box) for box in boxes], maps, (20.0, 10.0, 70.0, 90.0), (100, 100), patches=True)
    found = outputs.overlaps(0, 0.5)
    for n, (x, y, width, height) in enumerate(boxes):
        # Patches are 10 pixels wide and 9 high; how much of each lies in the box is the product of two lengths.
        left, top = 20 + 10 * np.arange(7), 10 + 9 * np.arange(10)
        columns = np.clip(np.minimum(left + 10, x + width) - np.maximum(left, x), 0, None)
        rows = np.clip(np.minimum(top + 9, y + height) - np.maximum(top, y), 0, None)
        is_found = maps[n, 0].numpy() >= 0
        both, area = np.outer(rows, columns)[is_found].sum(), 90 * is_found.sum()
        assert found.ior[n] == pytest.approx(both / area)
        assert found.iou[n] == pytest.approx(both / (area + width * height - both))


@pytest.mark.parametrize(("patches", "overlap"), [(True, 0.5), (False, pytest.approx(0.258, abs=0.01))])
def test_twelve_patches_of_exactly_one_half_in_a_box_of_twenty_four(patches, overlap):
    # Rozenberg et al. 2020, section 4: a patch is positive from 0.5 on, and the region is the union of such patches.
    # Enlarged bilinearly, values fall below 0.5 beyond the outer centres: about 2 x 3 of 24 patches are left.
    maps = torch.full((1, 1, 20, 20), -SURE)
    maps[0, 0, 4:7, 4:8] = 0
    sample = boxed([4 * 25, 4 * 25, 4 * 25, 6 * 25])
    outputs = collected([sample], maps, (0, 0, 500, 500), (500, 500), patches=patches)
    assert outputs.overlaps(0, 0.5).iou[0] == overlap
    if patches:
        result = metrics(outputs, [sample], ModelRecord(("Nodule",), {}, (0.5,), (0.5,)))
        assert result["iou_accuracy"]["T 0.5"]["Nodule"]["value"] == 1


def test_boxes_are_rectangles_and_masks_take_precedence():
    # Everything in the box is found, corners included; as an ellipse the box would be 0.785 of that.
    maps = torch.full((2, 1, 10, 10), -SURE)
    maps[:, :, 2:6, 3:8] = SURE
    both = masked([30, 20, 50, 20]) | {"boxes": boxed([30, 20, 50, 40])["boxes"], "box_finding": np.zeros(1, np.int64)}
    outputs = collected([boxed([30, 20, 50, 40]), both], maps, (0, 0, 100, 100), (100, 100), patches=True)
    assert outputs.overlaps(0, 0.5).iou.tolist() == pytest.approx([1, 0.5])


@pytest.mark.parametrize("patches", [True, False])
def test_padding_is_not_part_of_the_radiograph(patches):
    # A radiograph of 60 x 100 pixels in a square of 100 x 100: everything is found, padding and all.
    outputs = collected([boxed([0, 0, 50, 60])], torch.full((1, 1, 4, 4), SURE), (0, -20, 100, 100), (60, 100))
    assert (outputs.inside.sum(), outputs.outside.sum(), outputs.missed.sum()) == (3000, 3000, 0)
    assert outputs.overlaps(0, 0.5).iou.tolist() == [0.5]
    # The highest cell in the padding is none; the highest on the radiograph lies on the box.
    maps = torch.arange(16.0).reshape(1, 1, 4, 4).flip(3)
    maps[0, 0, 3] = 50
    region = (0, 0, 100, 80)  # its last row lies beyond
    assert collected([boxed([0, 40, 25, 20])], maps, region, (60, 100), patches=patches).hit.tolist() == [True]


def test_the_highest_cell_is_found_by_logits():
    maps = torch.full((2, 1, 4, 4), 100.0)
    maps[0, 0, 1, 2] = 101
    samples = [boxed([50, 25, 25, 25]), boxed([0, 0, 45, 50])]
    # A constant map points at nothing: a quarter of its cells lie on the second item.
    assert collected(samples, maps, (0, 0, 100, 100), (100, 100)).hit.tolist() == [True, False]


@pytest.mark.parametrize("patches", [True, False])
@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.731])
def test_measures_are_those_of_saved_maps(patches, threshold):
    # What `save_maps` writes, at the threshold, against the mask in the radiograph's own pixels. Cells are 10 x 5
    # pixels, so that the union of patches has no half pixels.
    maps = torch.randn(3, 1, 10, 7, generator=torch.Generator().manual_seed(0))
    places = ([3, 4, 30, 20], [40, 30, 7, 60], [0, 90, 10, 10])
    region = (20, 30, 35, 100)
    outputs = collected([masked(each) for each in places], maps, region, (100, 100), patches=patches)
    stored = restore_map(torch.sigmoid(maps[:, 0]), np.array(region), (100, 100), patches=patches).numpy()
    drawn = np.stack([drawn_mask(each) for each in places])
    is_found = stored.astype(np.float64) >= threshold
    np.testing.assert_allclose(outputs.dice(0, threshold)[1], dice(is_found, drawn))
    np.testing.assert_allclose(outputs.overlaps(0, threshold).iou, iou(is_found, drawn))


def drawn_mask(box: list[int]) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((100, 100), bool)
    mask[y : y + height, x : x + width] = True
    return mask


class Bright(torch.nn.Module):
    """Detects bright pixels."""

    def forward(self, image: torch.Tensor) -> Prediction:
        maps = (image - 0.5) * 2 * SURE
        return Prediction(maps.amax(dim=(2, 3)), maps)


def right_part(image: torch.Tensor) -> np.ndarray:
    """Lungs in the right three quarters, too wide for a single one."""
    mask = np.zeros(image.shape[-2:], bool)
    mask[:, mask.shape[1] // 4 :] = True
    return mask


def test_a_whole_evaluation_on_the_stored_radiographs(tmp_path: Path):
    # Radiographs of 96 x 96 pixels with a bright square; the network sees the right part at a third of the size.
    # An ellipse is drawn for training, and the second item's mask lies in a file.
    samples = []
    for number, (x, y, side) in enumerate([(0, 30, 24), (12, 30, 24), (54, 30, 24)]):
        pixels = np.zeros((96, 96), np.uint8)
        pixels[y : y + side, x : x + side] = 255
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        given = {
            "image": str(tmp_path / f"{number}.png"),
            "label": np.ones(1, np.float32),
            "annotated": np.ones(1, bool),
        }
        samples.append(boxed([x, y, side, side]) | given)
    samples[1] |= boxed() | {k: samples[1][k] for k in ("image", "label", "annotated")}
    samples[1]["mask"] = [(0, samples[1]["image"])]
    transform = Compose(
        [
            LoadRadiographd(),
            CropLungsd(segment=right_part, margin=0.0),
            ResizeRadiographd(size=(32, 24)),
            DrawAnnotationsd(findings=1, ellipses=True),
        ]
    )
    dataset = PreparedDataset(samples, transform, tmp_path / "kept", workers=0, progress=False)
    evaluator = RadiographEvaluator(
        EvaluationLoader(dataset, 2), Bright(), MixedPrecisionInferer("float32", torch.device("cpu")),
        reading=MapReading(patches=True),
    )  # fmt: skip
    evaluator.run()
    # Off, half off (x 24 to 36 of 12 to 36 is seen), and all there.
    assert evaluator.outputs.overlaps(0, 0.5).iou.tolist() == pytest.approx([0, 0.5, 1])
    assert evaluator.collected.facts() == {
        "grid": "pixels of the stored radiographs",
        "map": "patches: each cell has one value throughout",
        "truth": "boxes as rectangles, masks as they are",
        "cut_off": "what a crop cut off counts as missed",
    }
