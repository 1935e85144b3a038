"""Sections of a datalist: what is decided, in which order they are read, and MONAI's trainer over them."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer

from app.engines import (
    MapReading,
    MixedPrecisionInferer,
    PrepareBatch,
    RadiographTrainer,
    Sections,
    TrainingLoader,
    TrainingStep,
)
from tests.app.engines.tiny_training import CPU, BothHeads, Radiographs, tiny_network

SAMPLES = {"training": ["a 0.75", "b 1"], "validation": ["c 0.75"], "test": ["d 0.25"]}


def sections(prepare: Any = list, **changes: Any) -> Sections:
    return Sections(SimpleNamespace(samples=SAMPLES.__getitem__), prepare, batch_size=4, **changes)


def test_certainties_are_decided_to_evaluate_and_kept_to_train():
    decided = sections(decide=lambda samples: [name.replace("0.75", "1") for name in samples])
    assert decided.training() == ["a 0.75", "b 1"]
    assert [decided.evaluation(section) for section in SAMPLES] == [["a 1", "b 1"], ["c 1"], ["d 0.25"]]
    assert sections().evaluation("validation") == ["c 0.75"]


def test_samples_made_from_the_training_section_take_its_place():
    assert sections().training(["a 1"]) == ["a 1"]


def test_the_order_of_training_follows_from_the_seed_and_is_that_of_a_sampler():
    dataset = Radiographs(12)

    def visited(seed: int, sampler: Any = None) -> list[int]:
        return [each for batch in sections().loader(dataset, seed, sampler) for each in batch["index"].tolist()]

    assert sorted(visited(0)) == list(range(12))
    assert visited(0) == visited(0) != visited(1)

    class Backwards(list):
        def set_epoch(self, epoch: int) -> None:
            pass

    assert visited(0, Backwards(range(11, -1, -1))) == list(range(11, -1, -1))


def test_an_evaluator_sees_every_image_once_and_reads_maps_as_told():
    inferer = MixedPrecisionInferer("float32", CPU)
    evaluator = sections(reading=MapReading(patches=True)).evaluator(Radiographs(6), tiny_network(), inferer)
    evaluator.run()
    assert evaluator.outputs.index.tolist() == list(range(6))
    assert evaluator.collected.facts()["map"] == "patches: each cell has one value throughout"
    assert evaluator.state.device == CPU


def brighter(image: torch.Tensor, mask: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    return image.float() / 255 * torch.rand(1, generator=generator), mask


@pytest.mark.parametrize("augment", [None, brighter], ids=["not augmented", "augmented"])
def test_the_trainer_is_monais_with_our_step_and_batches(augment: Any):
    # The second implementation: the same of MONAI's own trainer.
    weights = []
    for ours in (True, False):
        network = tiny_network()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        step, loader = TrainingStep(MixedPrecisionInferer("float32", CPU)), TrainingLoader(Radiographs(13), 4, seed=5)
        if ours:
            trainer = RadiographTrainer(2, loader, network, optimizer, BothHeads(), step, augment, seed=3)
        else:
            trainer = SupervisedTrainer(
                device=CPU,
                max_epochs=2,
                train_data_loader=loader,
                network=network,
                optimizer=optimizer,
                loss_function=BothHeads(),
                prepare_batch=PrepareBatch(augment, 3),
                iteration_update=step,
                decollate=False,
            )
        trainer.prepare_batch.attach(trainer)
        trainer.run()
        weights.append(network.state_dict())
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not torch.equal(weights[0]["body.weight"], tiny_network().state_dict()["body.weight"])
