"""What an evaluation pass leaves behind: the same however it is cut into batches, and Dice as directly computed."""

import math

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.utils.enums import CommonKeys

from app.contract import Prediction, Target
from app.engines.outputs import CollectOutputs, Outputs, map_probability
from app.losses import KnownLabelBCELoss
from evaluation.overlap import dice

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


def collected(size: int, activation_maps: bool = False, loss: torch.nn.Module | None = None, **changes: dict):
    """A pass over ``truth``, with its ``prediction`` or ``target`` changed, in batches of ``size``."""
    prediction, target = truth()
    prediction = prediction._replace(**changes.get("prediction", {}))
    target = target._replace(**changes.get("target", {}))

    def step(engine, rows):
        engine.state.batch = {"index": torch.tensor(rows)}
        return {
            CommonKeys.PRED: Prediction(*(value[rows] for value in prediction)),
            CommonKeys.LABEL: Target(*(value[rows] for value in target)),
        }

    engine, collect = Engine(step), CollectOutputs(loss, activation_maps)
    collect.attach(engine)
    engine.run([list(range(start, min(N, start + size))) for start in range(0, N, size)])
    collect.metrics = engine.state.metrics
    return collect


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_batches_make_no_difference(size):
    # Every label known, so that the loss too is the same: the mean of batch means, weighted by their size.
    label = {"target": {"label": truth()[1].label.clamp(min=0)}}
    whole = collected(N, loss=KnownLabelBCELoss(), **label).outputs
    parts = collected(size, loss=KnownLabelBCELoss(), **label).outputs
    for name in ("index", "score", "label", "located_row", "located_finding", "inside", "outside"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)
    assert parts.loss == pytest.approx(whole.loss, abs=1e-6)


def test_what_is_gathered():
    outputs = collected(3).outputs
    prediction, target = truth()
    assert outputs.index.tolist() == list(range(N))
    np.testing.assert_allclose(outputs.score, torch.sigmoid(prediction.score).numpy())
    np.testing.assert_array_equal(outputs.label, target.label.numpy())
    # Annotated and somewhere: neither "nowhere" nor a mask that nobody was asked for.
    assert outputs.located_row.tolist() == [0, 2, 3, 6]
    assert outputs.located_finding.tolist() == [0, 0, 0, 0]
    assert math.isnan(outputs.loss)


def test_a_second_pass_starts_anew():
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


def test_no_pass_has_no_outputs():
    with pytest.raises(RuntimeError, match="no evaluation pass has been completed"):
        _ = CollectOutputs().outputs


@pytest.mark.parametrize("activation_maps", [False, True], ids=["probabilities", "activation maps"])
@pytest.mark.parametrize("threshold", [0.001, 0.25, 0.5, 0.731, 0.999])
def test_dice_is_that_of_thresholded_maps(threshold, activation_maps):
    outputs = collected(3, activation_maps).outputs
    prediction, target = truth()
    maps = prediction.map[outputs.located_row, :1]
    if activation_maps:
        low, high = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
        maps = (maps - low) / (high - low)
    else:
        maps = torch.sigmoid(maps)
    enlarged = torch.nn.functional.interpolate(maps, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    expected = dice(enlarged[:, 0].double().numpy() >= threshold, target.mask[outputs.located_row, 0].numpy())
    np.testing.assert_allclose(outputs.dice(0, threshold), expected)


def test_the_best_threshold_is_the_best_of_all():
    outputs = collected(3).outputs
    best = max(outputs.dice(0, step / 1000).mean() for step in range(1000))
    assert outputs.best_macro_dice() == pytest.approx(best)


def test_metrics_of_the_engine():
    collect = collected(3, loss=KnownLabelBCELoss())
    outputs = collect.outputs
    assert collect.metrics == {"auc": outputs.macro_auc(), "dice": outputs.best_macro_dice(), "loss": outputs.loss}
    assert all(math.isfinite(value) for value in collect.metrics.values())


def test_a_finding_without_present_cases_is_left_out_of_the_mean():
    label = truth()[1].label
    label[:, 0] = 0
    outputs = collected(3, target={"label": label}).outputs
    each = [Outputs.macro_auc(one(outputs, c)) for c in range(C)]
    assert math.isnan(each[0])
    assert outputs.macro_auc() == pytest.approx((each[1] + each[2]) / 2)


def one(outputs: Outputs, c: int) -> Outputs:
    """The same outputs with one finding alone."""
    empty = np.zeros((0, 1000), dtype=np.int32)
    none = np.zeros(0, dtype=np.int64)
    return Outputs(outputs.index, outputs.score[:, c : c + 1], outputs.label[:, c : c + 1], none, none, empty, empty)


def test_nothing_located_and_nothing_known():
    target = {"annotated": torch.zeros(N, C, dtype=torch.bool), "label": torch.full((N, C), -2.0)}
    outputs = collected(3, target=target).outputs
    assert outputs.inside.shape == (0, 1000)
    assert len(outputs.dice(0, 0.5)) == 0
    assert math.isnan(outputs.best_macro_dice())
    assert math.isnan(outputs.macro_auc())


def test_a_network_that_says_nan_is_told():
    with pytest.raises(ValueError, match="7 of 21 scores are NaN"):
        collected(3, prediction={"score": truth()[0].score.index_fill(1, torch.tensor(2), math.nan)})


def test_a_constant_activation_map_is_zero_everywhere():
    prediction, target = truth()
    flat = prediction._replace(map=torch.full_like(prediction.map, 3.0))
    rows = torch.tensor([0, 2])
    assert map_probability(flat, target, rows, torch.zeros_like(rows), activation_maps=True).max() == 0
