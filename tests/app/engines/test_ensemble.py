"""Ensembles of checkpoints."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer
from app.engines.ensemble import Ensemble, loaded
from app.engines.record import ModelRecord
from app.networks.checkpoints import save, weights


class Constant(nn.Module):
    """A network with the same logit for every image."""

    def __init__(self, logit: float = 0.0) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, image: Tensor) -> Prediction:
        score = self.logit.expand(len(image), 1)
        return Prediction(score, score[..., None, None].expand(-1, -1, 2, 2))


def kept(folder: Path, name: str, logit: float, threshold: float) -> Path:
    save(weights(Constant(logit)), folder / name)
    ModelRecord(("Nodule",), {"size": 1}, (threshold,), (threshold / 2,)).write(folder / name)
    return folder / name


def test_scores_are_the_mean_of_probabilities() -> None:
    logits = [-3.0, 0.5, 4.0]
    image = torch.zeros(2, 1, 8, 8)
    with torch.no_grad():
        prediction = Ensemble([Constant(logit) for logit in logits])(image)
    expected = torch.sigmoid(torch.tensor(logits, dtype=torch.float64)).mean().item()
    assert torch.sigmoid(prediction.score[0, 0].double()).item() == pytest.approx(expected, rel=1e-6)
    assert prediction.map[0, 0, 0, 0].item() == pytest.approx(1.5 / 3)


def test_scores_of_which_all_members_are_certain_are_computed_in_log_space() -> None:
    with torch.no_grad():
        prediction = Ensemble([Constant(200.0), Constant(300.0)])(torch.zeros(1, 1, 8, 8))
    # By hand: 1 - p is exp(-200) and next to nothing; of half of that, the logit is 200 + log(2).
    assert prediction.score.item() == pytest.approx(200 + math.log(2))


def test_one_checkpoint_is_the_network_itself(tmp_path: Path) -> None:
    network = Constant()
    found, record = loaded(network, kept(tmp_path, "a.pt", 2.0, 0.4), ("Nodule",))
    assert found is network
    assert network.logit.item() == 2
    assert record.score_thresholds == (0.4,)


def test_several_checkpoints_have_the_mean_of_their_thresholds(tmp_path: Path) -> None:
    paths = [kept(tmp_path, "a.pt", 2.0, 0.4), kept(tmp_path, "b.pt", -1.0, 0.8)]
    found, record = loaded(Constant(), [str(path) for path in paths], ("Nodule",))
    assert isinstance(found, Ensemble)
    assert [member.logit.item() for member in found.members] == [2, -1]
    assert record.score_thresholds == pytest.approx((0.6,))
    assert record.map_thresholds == pytest.approx((0.3,))


def test_a_rule_that_members_do_not_share_is_none_of_the_ensemble(tmp_path: Path) -> None:
    paths = [kept(tmp_path, "a.pt", 2.0, 0.4), kept(tmp_path, "b.pt", -1.0, 0.8)]
    assert loaded(Constant(), [str(path) for path in paths], ("Nodule",))[1].operating_point == "youden"
    record = paths[1].with_suffix(".json")
    record.write_text(record.read_text().replace("youden", "sensitivity 0.9"))
    assert loaded(Constant(), [str(path) for path in paths], ("Nodule",))[1].operating_point == ""


def test_missing_repeated_and_unfitting_checkpoints_are_refused(tmp_path: Path) -> None:
    path = kept(tmp_path, "a.pt", 2.0, 0.4)
    for nothing in (None, [], ""):
        with pytest.raises(ValueError, match="name the weights to evaluate"):
            loaded(Constant(), nothing, ("Nodule",))
    with pytest.raises(ValueError, match="one is named twice"):
        loaded(Constant(), [path, path], ("Nodule",))
    with pytest.raises(ValueError, match="was trained for Nodule, not for Mass"):
        loaded(Constant(), [path], ("Mass",))
    with pytest.raises(ValueError, match="an ensemble needs at least one network"):
        Ensemble([])


def test_images_of_which_all_members_are_certain_are_still_ranked() -> None:
    class Echo(nn.Module):
        def forward(self, image: Tensor) -> Prediction:
            return Prediction(image[:, :, 0, 0], image.expand(-1, -1, 2, 2))

    # Mean probabilities of logits 40 to 59 are all 1 in float64; and one unsure member must not tie the other's 20, 21.
    image = torch.arange(40.0, 60)[:, None, None, None]
    score = MixedPrecisionInferer("float32", torch.device("cpu"))(image, Ensemble([Echo(), Echo()])).score
    assert score.dtype == torch.float64
    assert bool((score[1:] > score[:-1]).all())
    unsure = Ensemble([Echo(), Constant(0.0)])(torch.arange(15.0, 30)[:, None, None, None]).score
    assert bool((unsure[1:] > unsure[:-1]).all())
