"""Two stages, driven by a trainer as a training drives them."""

import json
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events

from app.engines.best_weights import BestWeights
from app.engines.ensemble import Ensemble
from app.engines.output_folder import STAGE_ONE
from app.engines.resuming import require_plain
from app.engines.stages import TwoStages, stages_of
from app.engines.thresholds import AlternatingThresholds
from app.networks.checkpoints import read_checkpoint, read_weights
from app.networks.patch_network import stage_of
from app.networks.patch_thresholds import PatchThresholds
from tests.app.engines.patch_training import Trainer, changed, copied, inferer, network
from tests.app.engines.resumable_training import Small, differences


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
