"""The results of an evaluation pass: the same for any batches, and Dice as computed from thresholded maps."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys
from sklearn.metrics import roc_auc_score

from app.contract import Prediction, Target
from app.engines.collect import CollectOutputs
from app.engines.located import MapReading
from app.engines.outputs import Outputs, joined
from app.losses import KnownLabelBCELoss
from evaluation.overlap import aggregated_dice, dice, iou

N, C, SIDE = 7, 3, 16


def truth() -> tuple[Prediction, Target]:
    """Seven images of three findings: the first located in some, the second annotated but nowhere, the third never."""
    generator = torch.Generator().manual_seed(0)
    here = torch.randn(N, C, 4, 4, generator=generator)
    mask = torch.zeros(N, C, SIDE, SIDE)
    annotated = torch.zeros(N, C, dtype=torch.bool)
    for row in (0, 2, 3, 6):
        mask[row, 0, row : row + 5, 3:9] = 1
        annotated[row, 0] = True
    annotated[:, 1] = True
    mask[1, 2] = 1  # drawn, but its location was not asked for
    label = (torch.rand(N, C, generator=generator) > 0.5).float()
    label[0, 1], label[1, 1] = -1, -2
    return Prediction(here.amax(dim=(2, 3)), here), Target(label, mask, annotated)


def collected(
    size: int,
    activation_maps: bool = False,
    loss: torch.nn.Module | None = None,
    rows: Sequence[int] = range(N),
    **changes: dict,
) -> CollectOutputs:
    """A pass over ``rows`` of ``truth``, with its ``prediction`` or ``target`` changed, in batches of ``size``."""
    prediction, target = truth()
    prediction = prediction._replace(**changes.get("prediction", {}))
    target = target._replace(**changes.get("target", {}))

    def step(engine, rows):
        engine.state.batch = {"index": torch.tensor(rows)}
        return {
            CommonKeys.PRED: Prediction(*(value[rows] for value in prediction)),
            CommonKeys.LABEL: Target(*(value[rows] for value in target)),
        }

    engine, collect = Engine(step), CollectOutputs(loss, MapReading(activation_maps))
    collect.attach(engine)
    engine.run([list(rows[start : start + size]) for start in range(0, len(rows), size)])
    collect.metrics = engine.state.metrics
    return collect


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_batches_make_no_difference(size):
    # Every label known, so that the loss too is the same: the mean of batch means, weighted by their size.
    label = {"target": {"label": truth()[1].label.clamp(min=0)}}
    whole = collected(N, loss=KnownLabelBCELoss(), **label).outputs
    parts = collected(size, loss=KnownLabelBCELoss(), **label).outputs
    require_equal(parts, whole)
    assert parts.loss == pytest.approx(whole.loss, abs=1e-6)


def require_equal(outputs: Outputs, expected: Outputs) -> None:
    for name, array in vars(expected).items():
        if name != "loss":
            np.testing.assert_array_equal(getattr(outputs, name), array, err_msg=name)


def test_shares_of_processes_are_joined_by_index_and_an_item_of_two_counts_once():
    shares = [collected(3, loss=KnownLabelBCELoss(), rows=rows).outputs for rows in ([4, 5, 6], [0, 1], [2, 3], [0, 1])]
    outputs = joined(shares)
    require_equal(outputs, collected(N).outputs)
    # The last share has no item of its own, so its loss does not count.
    assert outputs.loss == pytest.approx(np.average([share.loss for share in shares[:3]], weights=[3, 2, 2]))
    with pytest.raises(RuntimeError, match="no batch was evaluated"):
        joined([])


def test_outputs_hold_scores_labels_and_located_pairs():
    outputs = collected(3).outputs
    prediction, target = truth()
    assert outputs.index.tolist() == list(range(N))
    np.testing.assert_allclose(outputs.score, torch.sigmoid(prediction.score).numpy())
    np.testing.assert_array_equal(outputs.label, target.label.numpy())
    # Every pair whose location was asked for, even if "nowhere", but no other mask.
    asked = sorted([(row, 0) for row in (0, 2, 3, 6)] + [(row, 1) for row in range(N)])
    assert list(zip(outputs.located_row.tolist(), outputs.located_finding.tolist(), strict=True)) == asked
    somewhere = outputs.inside.sum(axis=1) > 0
    assert outputs.located_row[somewhere].tolist() == [0, 2, 3, 6]
    # Every pixel of every map is counted once.
    assert set((outputs.inside + outputs.outside).sum(axis=1).tolist()) == {SIDE * SIDE}
    assert math.isnan(outputs.loss)


def test_a_second_pass_replaces_the_first():
    prediction, target = truth()
    batch = {CommonKeys.PRED: prediction, CommonKeys.LABEL: target}

    def step(engine, data):
        engine.state.batch = {"index": torch.arange(N)}
        return batch

    engine, collect = Engine(step), CollectOutputs()
    collect.attach(engine)
    for _ in range(2):
        engine.run([0])
        assert len(collect.outputs.index) == N


def test_there_are_no_outputs_before_a_pass():
    with pytest.raises(RuntimeError, match="no evaluation pass has been completed"):
        _ = CollectOutputs().outputs


def enlarged(activation_maps: bool) -> np.ndarray:
    """Probabilities (N, C, SIDE, SIDE) of ``truth``, computed by hand."""
    maps = truth()[0].map
    if activation_maps:
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        maps = (maps - low) / (high - low)
    else:
        maps = torch.sigmoid(maps)
    return torch.nn.functional.interpolate(maps, size=(SIDE, SIDE), mode="bilinear", align_corners=False).numpy()


@pytest.mark.parametrize("activation_maps", [False, True], ids=["probabilities", "activation maps"])
@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.731, 0.999])
def test_dice_is_that_of_thresholded_maps(threshold, activation_maps):
    outputs, target = collected(3, activation_maps).outputs, truth()[1]
    rows, values = outputs.dice(0, threshold)
    assert rows.tolist() == [0, 2, 3, 6]
    here = enlarged(activation_maps)[rows, 0].astype(np.float64) >= threshold
    np.testing.assert_allclose(values, dice(here, target.mask[rows, 0].numpy()))
    # Annotated as nowhere in all images: no image has a Dice of its own.
    assert [part.tolist() for part in outputs.dice(1, threshold)] == [[], []]


@pytest.mark.parametrize("activation_maps", [False, True], ids=["probabilities", "activation maps"])
@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.731, 0.999])
def test_parts_of_the_aggregated_dice_are_those_of_thresholded_maps(threshold, activation_maps):
    outputs, target = collected(3, activation_maps).outputs, truth()[1]
    here = enlarged(activation_maps).astype(np.float64) >= threshold
    expected = aggregated_dice(here, target.mask.numpy(), target.annotated.numpy())
    for c, asked in enumerate(([0, 2, 3, 6], list(range(N)), [])):
        rows, part, whole = outputs.dice_parts(c, threshold)
        assert rows.tolist() == asked
        if whole.sum():
            assert part.sum() / whole.sum() == pytest.approx(expected[c])
        else:
            # Nothing was asked for, or nothing is predicted where it is nowhere.
            assert not part.sum()
            assert np.isnan(expected[c]) or expected[c] == 1


@pytest.mark.parametrize("activation_maps", [False, True], ids=["probabilities", "activation maps"])
@pytest.mark.parametrize("threshold", [0.25, 0.5, 0.731, 1])
def test_overlaps_are_those_of_thresholded_maps(threshold, activation_maps):
    outputs, target = collected(3, activation_maps).outputs, truth()[1]
    found = outputs.overlaps(0, threshold)
    assert found.rows.tolist() == [0, 2, 3, 6]
    probability, mask = enlarged(activation_maps)[found.rows, 0].astype(np.float64), target.mask[found.rows, 0].numpy()
    # The highest threshold of the grid stands for 1.
    here = probability >= min(threshold, 0.999)
    np.testing.assert_allclose(found.iou, iou(here, mask))
    for row, (detected, true) in enumerate(zip(here, mask > 0, strict=True)):
        # Intersection over the detected region (Li et al. 2018), 0 where there is none.
        assert found.ior[row] == pytest.approx((detected & true).sum() / detected.sum() if detected.any() else 0)
        assert found.hit[row] == true[np.unravel_index(probability[row].argmax(), true.shape)]
    assert len(outputs.overlaps(1, threshold).rows) == 0


def test_the_best_threshold_is_the_best_of_the_grid():
    outputs = collected(3).outputs
    best = max(outputs.dice(0, step / 1000)[1].mean() for step in range(1000))
    # The second finding is nowhere in all images and the third was never asked for: neither has a best.
    assert outputs.best_macro_dice() == pytest.approx(best)


def test_the_engine_has_the_metrics():
    collect = collected(3, loss=KnownLabelBCELoss())
    outputs = collect.outputs
    assert collect.metrics == {"auc": outputs.macro_auc(), "dice": outputs.best_macro_dice(), "loss": outputs.loss}
    assert all(math.isfinite(value) for value in collect.metrics.values())


def test_a_finding_without_present_cases_is_left_out_of_the_mean():
    label = truth()[1].label
    label[:, 0] = 0
    outputs = collected(3, target={"label": label}).outputs
    each = [Outputs(outputs.index, outputs.logit[:, [c]], outputs.label[:, [c]]).macro_auc() for c in range(C)]
    assert math.isnan(each[0])
    assert outputs.macro_auc() == pytest.approx((each[1] + each[2]) / 2)


def test_nothing_located_and_nothing_known():
    target = {"annotated": torch.zeros(N, C, dtype=torch.bool), "label": torch.full((N, C), -2.0)}
    outputs = collected(3, target=target).outputs
    assert outputs.inside.shape == (0, 1000)
    assert [len(part) for part in (*outputs.dice(0, 0.5), *outputs.dice_parts(0, 0.5))] == [0] * 5
    assert math.isnan(outputs.best_macro_dice())
    assert math.isnan(outputs.macro_auc())


def test_images_with_scores_of_nan_are_named():
    with pytest.raises(FloatingPointError, match=r"scores or maps are not numbers for 3 images: 0, 1, 2$"):
        collected(3, prediction={"score": truth()[0].score.index_fill(1, torch.tensor(2), math.nan)})


def test_a_constant_activation_map_is_zero_everywhere():
    assert MapReading(activation_maps=True).probability(torch.full((2, 3, 4, 4), 3.0)).max() == 0


def ranked(logit: list[float], label: list[float]) -> CollectOutputs:
    """A pass over images of one finding with these scores, in batches of three."""
    score = torch.tensor(logit)[:, None]
    target = Target(torch.tensor(label)[:, None], torch.zeros(len(logit), 1, 2, 2), torch.zeros(len(logit), 1).bool())

    def step(engine, rows):
        engine.state.batch = {"index": torch.tensor(rows)}
        prediction = Prediction(score[rows], torch.zeros(len(rows), 1, 2, 2))
        return {CommonKeys.PRED: prediction, CommonKeys.LABEL: Target(*(value[rows] for value in target))}

    engine, collect = Engine(step), CollectOutputs()
    collect.attach(engine)
    engine.run([list(range(len(logit)))[at : at + 3] for at in range(0, len(logit), 3)])
    return collect


@pytest.mark.parametrize("start", [17, 36, 120, -24, -120], ids=lambda start: f"logits from {start}")
@pytest.mark.parametrize("swapped", [False, True], ids=["present are higher", "classes exchanged"])
def test_scores_that_round_to_one_are_still_ranked(start, swapped):
    # Eight cases in perfect order; in float32 a sigmoid ties logits above 17, in float64 above 37.
    logit, label = [float(start + k) for k in range(8)], [0.0] * 4 + [1.0] * 4
    if swapped:
        logit, label = [-value for value in logit], [1 - value for value in label]
    outputs = ranked(logit, label).outputs
    assert roc_auc_score(outputs.label[:, 0], outputs.logit[:, 0]) == 1
    assert outputs.macro_auc() == 1
