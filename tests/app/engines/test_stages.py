"""Two stages and alternating thresholds, driven by a trainer as a training drives them."""

import math
from itertools import pairwise

import pytest
import torch
from ignite.engine import Engine, Events

from app.contract import Prediction, Target
from app.engines.resuming import require_plain
from app.engines.stages import TwoStages
from app.engines.thresholds import AlternatingThresholds, CountedCases, choose
from app.losses.relaxed import RelaxedThresholdLoss
from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet


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


def test_the_stage_goes_on_from_a_checkpoint():
    thresholds = PatchThresholds(2)
    net, other = network(thresholds), network(PatchThresholds(2))
    net.set_stage(2)
    state = TwoStages(net, first=2).state_dict()
    require_plain(state)
    TwoStages(other, first=2).load_state_dict(state)
    assert other.stage == 2


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
