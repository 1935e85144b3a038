"""Two stages and alternating thresholds, driven by a trainer as a training drives them."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from app.contract import Prediction, Target
from app.engines.ensemble import Ensemble
from app.engines.output_folder import STAGE_ONE
from app.engines.resuming import require_plain
from app.engines.stages import TwoStages, stages_of
from app.engines.thresholds import AlternatingThresholds, CountedCases, choose
from app.engines.training import BestWeights
from app.losses.relaxed import RelaxedThresholdLoss
from app.networks.checkpoints import read_checkpoint, read_weights
from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork, stage_of
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet
from tests.app.engines.resumable_training import Small, differences


def network(thresholds: PatchThresholds, crf: bool = True) -> PatchNetwork:
    torch.manual_seed(0)
    pooling = PatchCountPooling(thresholds)
    parts = (PACCRF(2, window=3, steps=2), PatchFeatures(2, halvings=3, width=2)) if crf else (None, None)
    return PatchNetwork(PreactivationResNet((1, 1), width=2), 2, 4, pooling, *parts)


def inferer(image: torch.Tensor, called: torch.nn.Module) -> Prediction:
    result: Prediction = called(image)
    return result


class Trainer(Engine):
    """As much of MONAI's trainer as the parts see."""

    def __init__(self, net: PatchNetwork, thresholds: PatchThresholds) -> None:
        super().__init__(lambda engine, batch: self.step(batch))
        self.network, self.non_blocking = net, False
        self.loss = RelaxedThresholdLoss(thresholds)
        self.optimizer = torch.optim.Adam(net.parameters(), 1e-2, weight_decay=1e-2)
        self.state.device = torch.device("cpu")
        generator = torch.Generator().manual_seed(0)
        mask = torch.zeros(2, 2, 32, 32)
        mask[0, 0, :16, :16] = 1
        label, annotated = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[True, False], [False, False]])
        image = torch.rand(2, 1, 32, 32, generator=generator)
        self.data_loader = [{"image": image, "label": label, "mask": mask, "annotated": annotated}]

    def prepare_batch(self, batch, device, non_blocking):
        return batch["image"], Target(batch["label"], batch["mask"], batch["annotated"])

    def step(self, batch: dict[str, torch.Tensor]) -> float:
        self.network.train()
        image, target = self.prepare_batch(batch, None, False)
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(self.network(image), target)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}


def copied(net: PatchNetwork) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def test_the_second_stage_begins_after_the_first_and_changes_its_part_alone():
    # Gradients are kept as zeros on purpose: a stale one would let Adam move a frozen weight by its momentum.
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    TwoStages(net, first=2).attach(trainer)
    states = [copied(net)]
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: states.append(copied(net)))
    trainer.run(trainer.data_loader, max_epochs=4)
    assert changed(states[0], states[1]) == changed(states[1], states[2]) == {"backbone", "head"}
    assert changed(states[2], states[3]) == {"crf", "features", "stage_reached"}
    assert changed(states[3], states[4]) == {"crf", "features"}


def test_the_second_stage_starts_from_the_best_of_the_first_and_chooses_anew(tmp_path):
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer, stages, best = Trainer(net, thresholds), TwoStages(net, first=3), BestWeights(tmp_path, "dice")
    stages.best = best
    stages.attach(trainer)
    AlternatingThresholds(thresholds, every=1, inferer=inferer).attach(trainer)
    states, kept = [], []

    def close(engine: Engine) -> None:
        states.append(copied(net))
        # The second epoch is the best of all, the fifth of the second stage.
        best.consider(engine.state.epoch, {"dice": [0.1, 0.9, 0.2, 0.3, 0.5, 0.4][engine.state.epoch - 1]})
        if best.epoch == engine.state.epoch:
            best.keep(net)
        kept.append(best.epoch)

    trainer.add_event_handler(Events.EPOCH_COMPLETED, close)
    trainer.run(trainer.data_loader, max_epochs=6)
    assert kept == [1, 2, 2, 4, 5, 5]
    for name in states[1]:
        if name.split(".")[0] in ("backbone", "head"):
            assert torch.equal(states[3][name], states[1][name]), name
    # Thresholds are part of the weights that the second stage starts from; they are chosen again at its epoch's end.
    shipped = read_weights(best.path)
    assert stage_of(shipped) == 2
    assert torch.equal(shipped["crf.compatibility"], states[4]["crf.compatibility"])
    assert bool(shipped["crf.compatibility"].any())
    assert stage_of(read_weights(tmp_path / STAGE_ONE)) == 1


def test_the_optimiser_forgets_the_first_stage():
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    TwoStages(net, first=1).attach(trainer)
    trainer.run(trainer.data_loader, max_epochs=2)
    assert set(trainer.optimizer.state) == set(net.crf_parameters())


def test_without_epochs_of_a_second_stage_it_is_said_that_there_is_no_crf(caplog):
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    TwoStages(net, first=2).attach(trainer)
    trainer.run(trainer.data_loader, max_epochs=2)
    assert net.stage == 1
    assert "the first stage has 2 of 2 epochs: there is no second stage" in caplog.text


def test_the_stage_goes_on_from_a_checkpoint():
    thresholds = PatchThresholds(2)
    net, other = network(thresholds), network(PatchThresholds(2))
    net.set_stage(2)
    state = TwoStages(net, first=2).state_dict()
    require_plain(state)
    # A training that grows, whose first stage is a share of its epochs, does not go back to it.
    grown = TwoStages(other, first=20)
    grown.load_state_dict(state)
    assert (other.stage, grown.first) == (2, 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, template_store: Path) -> Path:
    """A training in two stages of two and three epochs that nothing interrupted."""
    folder = tmp_path_factory.mktemp("staged")
    with pytest.MonkeyPatch.context() as patch:
        (folder / "mlflow.db").write_bytes(template_store.read_bytes())
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        Small(folder / "out", epochs=5, first=2, key_metric="dice").launch()
    return folder / "out"


def test_each_stage_has_a_rate_of_its_own_that_is_logged(whole):
    rates = read_checkpoint(whole / "last.pt")["history"]["learning_rate"]
    # From 0.05 by 1/4 in two epochs, then from 0.1 by 1/4 in three.
    assert rates == pytest.approx([0.05, 0.025, 0.1, 0.1 * 0.25 ** (1 / 3), 0.1 * 0.25 ** (2 / 3)])


def test_the_shipped_weights_are_of_the_second_stage(whole):
    assert json.loads((whole / "metrics.json").read_text())["crf"] is True
    shipped, first = read_weights(whole / "model.pt"), read_weights(whole / STAGE_ONE)
    assert (stage_of(shipped), stage_of(first)) == (2, 1)
    assert read_checkpoint(whole / "last.pt")["best"]["epoch"] > 2
    assert all(torch.equal(shipped[name], first[name]) for name in first if name.startswith(("backbone", "head")))


def test_the_stages_of_an_ensemble_are_those_of_its_members():
    first, second = network(PatchThresholds(2)), network(PatchThresholds(2))
    second.set_stage(2)
    assert stages_of(first) == {1}
    assert stages_of(Ensemble([second, second])) == {2}
    assert stages_of(Ensemble([first, second])) == {1, 2}
    assert stages_of(torch.nn.Identity()) == set()


class CrashError(Exception):
    """Ends a training as a crash would."""


@pytest.mark.parametrize("epoch", range(1, 5))
@pytest.mark.parametrize("damaged", [False, True], ids=["", "last checkpoint damaged"])
def test_interrupted_anywhere_the_stages_end_the_same(whole, store, tmp_path, epoch, damaged):
    settings = {"epochs": 5, "first": 2, "key_metric": "dice"}
    small = Small(tmp_path / "out", **settings)

    def stop(engine: Engine) -> None:
        raise CrashError

    # After the stage's own handler, so that a crash in epoch 3 comes when the best weights are back in place.
    def begin(engine: Engine) -> None:
        engine.add_event_handler(Events.EPOCH_STARTED(once=epoch + 1), stop)

    small.trainer.add_event_handler(Events.STARTED, begin)
    with pytest.raises(CrashError):
        small.launch()
    if damaged:
        (tmp_path / "out/last.pt").write_bytes(b"damaged")
    Small(tmp_path / "out", resume=True, **settings).launch()
    assert differences(tmp_path / "out", whole) == []
    first, expected = (read_weights(folder / STAGE_ONE) for folder in (tmp_path / "out", whole))
    assert all(torch.equal(first[name], expected[name]) for name in expected)


def test_killed_between_checkpoint_and_weights_of_the_second_stage(whole, store, tmp_path, monkeypatch):
    settings = {"epochs": 5, "first": 2, "key_metric": "dice"}
    keep = BestWeights.keep

    def killed(self: BestWeights, net: torch.nn.Module) -> None:
        if self.epoch == 3:
            raise CrashError
        keep(self, net)

    with monkeypatch.context() as patch:
        patch.setattr(BestWeights, "keep", killed)
        with pytest.raises(CrashError):
            Small(tmp_path / "out", **settings).launch()
    Small(tmp_path / "out", resume=True, **settings).launch()
    assert differences(tmp_path / "out", whole) == []


def test_a_network_without_crf_stays_in_its_stage():
    thresholds = PatchThresholds(2)
    net = network(thresholds, crf=False)
    trainer = Trainer(net, thresholds)
    TwoStages(net, first=0).attach(trainer)
    trainer.run(trainer.data_loader, max_epochs=1)
    assert net.stage == 1


def test_refuses_less_than_no_epochs():
    with pytest.raises(ValueError, match="-1 epochs"):
        TwoStages(network(PatchThresholds(2)), first=-1)


def cases(**given: list[float]) -> CountedCases:
    empty = {"inside": [], "outside": [], "present": [], "absent": []}
    return CountedCases(**{name: [list(values)] for name, values in (empty | given).items()})


def test_thresholds_are_what_a_share_of_cases_meets():
    # Of five present images 4 (80%) find at least 3 patches; of five absent ones 4 find at most 2.
    found = cases(
        inside=[0.1, 0.3, 0.5, 0.7, 0.9],
        outside=[0.0, 0.02, 0.04, 0.06, 0.4],
        present=[1, 3, 5, 7, 9],
        absent=[0, 0, 1, 2, 9],
    )
    choice = choose(found, PatchThresholds(1), met=0.75)
    assert [choice.tau, choice.rho, choice.tau_hat, choice.rho_hat] == [
        pytest.approx([0.3]),
        pytest.approx([0.06]),
        [3],
        [2],
    ]


def test_the_choice_is_the_least_of_the_loss_and_its_price():
    # Brute force over thresholds: E ReLU(tau - s) - (1 - met) tau.
    shares = torch.rand(31, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.15
    tried = torch.linspace(0, 1, 20_001)
    loss = torch.relu(tried[:, None] - shares).mean(dim=1) - 0.3 * tried
    choice = choose(cases(inside=shares.tolist(), outside=[0.0]), PatchThresholds(1), met=0.7)
    assert choice.tau[0] == pytest.approx(float(tried[loss.argmin()]), abs=1e-4)


@pytest.mark.parametrize("found", [0.0, 1.0], ids=["finds nothing", "finds everything"])
def test_no_network_leads_to_the_degenerate_solution(found):
    # The paper's: tau and tau_hat 0, rho 1, rho_hat all 400 patches.
    everything = cases(inside=[found] * 5, outside=[found] * 5, present=[400 * found] * 5, absent=[400 * found] * 5)
    before = PatchThresholds(1)
    choice = choose(everything, before, met=0.9)
    assert choice.tau[0] >= 0.1
    assert choice.rho[0] <= 0.5
    # Present and absent are alike, so their thresholds stay.
    assert (choice.tau_hat, choice.rho_hat) == (before.tau_hat.tolist(), before.rho_hat.tolist())
    assert choice.kept == [0]


def test_thresholds_without_a_case_stay():
    before = PatchThresholds(1)
    choice = choose(cases(), before, met=0.5)
    assert choice.tau == before.tau.tolist()
    assert choice.rho_hat == before.rho_hat.tolist()


def test_thresholds_alternate_with_the_weights():
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    part = AlternatingThresholds(thresholds, every=2, inferer=inferer)
    part.attach(trainer)
    seen = []
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: seen.append(thresholds.tau.clone()))
    trainer.run(trainer.data_loader, max_epochs=5)
    is_new = [not torch.equal(a, b) for a, b in pairwise(seen)]
    assert is_new == [True, False, True, False]
    assert part.chosen == 2
    # The second finding was located nowhere.
    assert math.isclose(float(thresholds.tau[1]), 0.7, rel_tol=1e-6)
    assert torch.equal(net.state_dict()["pooling.thresholds.tau"], thresholds.tau)


def test_choosing_leaves_weights_and_statistics_alone():
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    before = copied(net)
    AlternatingThresholds(thresholds, every=1, inferer=inferer)._choose(trainer)
    assert changed(before, copied(net)) <= {"pooling"}


def test_thresholds_go_on_from_a_checkpoint():
    thresholds, others = PatchThresholds(2, tau=[0.3, 0.4]), PatchThresholds(2)
    part = AlternatingThresholds(thresholds, every=1, inferer=inferer)
    state = part.state_dict()
    require_plain(state)
    AlternatingThresholds(others, every=1, inferer=inferer).load_state_dict(state)
    assert torch.equal(others.tau, thresholds.tau)


def test_fixed_thresholds_stay():
    thresholds = PatchThresholds(2)
    trainer = Trainer(network(thresholds), thresholds)
    AlternatingThresholds(thresholds, every=0, inferer=inferer).attach(trainer)
    trainer.run(trainer.data_loader, max_epochs=2)
    assert thresholds.tau.tolist() == PatchThresholds(2).tau.tolist()


@pytest.mark.parametrize("wrong", [{"every": -1}, {"every": 1, "met": 1.0}, {"every": 1, "met": 0.0}], ids=str)
def test_refuses_what_cannot_be(wrong):
    with pytest.raises(ValueError, match="must be 0 or more"):
        AlternatingThresholds(PatchThresholds(1), inferer=inferer, **wrong)
