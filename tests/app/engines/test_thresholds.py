"""Thresholds of the patch-counting losses, which alternate with the weights."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from ignite.engine import Events

from app.engines.resuming import require_plain
from app.engines.thresholds import AlternatingThresholds, PatchCases, choose
from app.networks.patch_thresholds import PatchThresholds
from tests.app.engines.patch_training import Trainer, changed, copied, inferer, network

BEFORE = {"tau": [0.7], "rho": [0.02], "tau_hat": [4.0], "rho_hat": [1.0]}


def cases(**given: list[float]) -> PatchCases:
    """Cases of one finding; each list is of images of its own."""
    count = sum(map(len, given.values()))
    columns, first = {name: np.full((count, 1), np.nan) for name in PatchCases._fields}, 0
    for name, values in given.items():
        columns[name][first : first + len(values), 0] = values
        first += len(values)
    return PatchCases(**columns)


def test_thresholds_are_what_a_share_of_cases_meets():
    # Of five present images 4 (80%) find at least 3 patches; of five absent ones 4 find at most 2.
    found = cases(
        inside=[0.1, 0.3, 0.5, 0.7, 0.9],
        outside=[0.0, 0.02, 0.04, 0.06, 0.4],
        present=[1, 3, 5, 7, 9],
        absent=[0, 0, 1, 2, 9],
    )
    chosen, kept = choose(found, BEFORE, met=0.75)
    assert chosen == {"tau": pytest.approx([0.3]), "rho": pytest.approx([0.06]), "tau_hat": [3], "rho_hat": [2]}
    assert kept == []


def test_the_choice_is_the_least_of_the_loss_and_its_price():
    # Brute force over thresholds: E ReLU(tau - s) - (1 - met) tau.
    shares = torch.rand(31, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.15
    tried = torch.linspace(0, 1, 20_001)
    loss = torch.relu(tried[:, None] - shares).mean(dim=1) - 0.3 * tried
    chosen, _ = choose(cases(inside=shares.tolist(), outside=[0.0]), BEFORE, met=0.7)
    assert chosen["tau"][0] == pytest.approx(float(tried[loss.argmin()]), abs=1e-4)


@pytest.mark.parametrize("found", [0.0, 1.0], ids=["finds nothing", "finds everything"])
def test_no_network_leads_to_the_degenerate_solution(found):
    # The paper's: tau and tau_hat 0, rho 1, rho_hat all 400 patches.
    everything = cases(inside=[found] * 5, outside=[found] * 5, present=[400 * found] * 5, absent=[400 * found] * 5)
    chosen, kept = choose(everything, BEFORE, met=0.9)
    assert chosen["tau"][0] >= 0.1
    assert chosen["rho"][0] <= 0.5
    # Present and absent are alike, so their thresholds stay.
    assert (chosen["tau_hat"], chosen["rho_hat"]) == (BEFORE["tau_hat"], BEFORE["rho_hat"])
    assert kept == [0]


def test_thresholds_without_a_case_stay():
    assert choose(cases(), BEFORE, met=0.5) == (BEFORE, [])
    # Also one below the bound that chosen ones keep.
    low = BEFORE | {"tau": [0.05]}
    assert choose(cases(present=[9.0]), low, met=0.5) == (low | {"tau_hat": [9.0]}, [])


def test_thresholds_alternate_with_the_weights():
    thresholds = PatchThresholds(2)
    net = network(thresholds)
    trainer = Trainer(net, thresholds)
    AlternatingThresholds(thresholds, every=2, inferer=inferer).attach(trainer)
    seen = []
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: seen.append(thresholds.tau.clone()))
    trainer.run(trainer.data_loader, max_epochs=5)
    is_new = [not torch.equal(a, b) for a, b in pairwise(seen)]
    assert is_new == [True, False, True, False]
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


def test_thresholds_continue_from_a_checkpoint():
    thresholds, others = PatchThresholds(2, tau=[0.3, 0.4]), PatchThresholds(2)
    handler = AlternatingThresholds(thresholds, every=1, inferer=inferer)
    state = handler.state_dict()
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
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be 0 or more"):
        AlternatingThresholds(PatchThresholds(1), inferer=inferer, **wrong)
