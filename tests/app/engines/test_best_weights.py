"""The weights of the best epoch."""

import math

import pytest
from torch import nn

from app.engines.best_weights import BestWeights
from app.networks.checkpoints import read_weights

NAN = math.nan


def network(epoch: int) -> nn.Module:
    """A network whose weight is the epoch."""
    made = nn.Linear(1, 1, bias=False)
    nn.init.constant_(made.weight, float(epoch))
    return made


@pytest.mark.parametrize(
    ("metric", "values", "epoch"),
    [
        ("auc", [0.5, 0.9, 0.7], 2),
        ("dice", [0.5, 0.4, 0.3], 1),
        ("loss", [0.5, 0.9, 0.3], 3),
        ("auc", [0.5, 0.5], 1),  # the first of equals
        ("auc", [0.5, NAN, 0.4], 1),  # undefined never beats defined
        ("loss", [NAN, 0.5, NAN], 2),  # defined always beats undefined
        ("auc", [NAN, 0.0], 2),
        ("auc", [NAN, NAN, NAN], 3),  # while nothing is defined, the latest
    ],
)
def test_the_best_weights_are_kept(tmp_path, metric, values, epoch):
    best = BestWeights(tmp_path, metric)
    for number, value in enumerate(values, start=1):
        if best.consider(number, {"auc": 9.0, "dice": 9.0, "loss": -9.0} | {metric: value}):
            best.keep(network(number))
    assert best.epoch == epoch
    assert best.value == pytest.approx(values[epoch - 1], nan_ok=True)
    assert read_weights(tmp_path / "model.pt")["weight"].item() == epoch


def test_an_unknown_metric_is_an_error(tmp_path):
    with pytest.raises(KeyError, match="dice"):
        BestWeights(tmp_path, "dice").consider(1, {"auc": 0.5})
