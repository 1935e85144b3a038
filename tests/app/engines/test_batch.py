"""From a loader's batch to the network's input: floats in [0, 1], and the same augmentation for the same iteration."""

import pytest
import torch
from ignite.engine import Engine
from torch import Tensor

from app.engines.batch import PrepareBatch
from transforms import AugmentBatch

CPU = torch.device("cpu")


@pytest.fixture
def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(4, 2, 16, 16, dtype=torch.uint8)
    mask[:, 0, 4:9, 4:9] = 1
    return {
        "image": torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8, generator=generator),
        "mask": mask,
        "label": torch.tensor([[1.0, 0.0]] * 4),
        "annotated": torch.tensor([[True, False]] * 4),
    }


def prepared(batch: dict[str, Tensor], seed: int = 0, iterations: int = 3) -> list[Tensor]:
    """Images of each iteration of an engine's run."""
    prepare, images = PrepareBatch(AugmentBatch(), seed), []
    engine = Engine(lambda engine, data: images.append(prepare(batch, CPU)[0]))
    prepare.attach(engine)
    engine.run(range(iterations))
    return images


def test_integers_become_grey_values(batch):
    image, target = PrepareBatch()(batch, CPU)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image, batch["image"].float() / 255)
    assert torch.equal(target.label, batch["label"])
    assert torch.equal(target.annotated, batch["annotated"])
    assert target.mask.dtype == torch.float32
    assert torch.equal(target.mask, batch["mask"].float())


def test_floats_stay_as_they_are(batch):
    given = batch | {"image": torch.rand(4, 1, 16, 16)}
    assert torch.equal(PrepareBatch()(given, CPU)[0], given["image"])


def test_masks_that_travel_as_bits_are_spread_on_the_device(batch):
    # Rows of 16 pixels are two bytes, the first pixel in the lowest bit: columns 4 to 8 of the mask are bits 4 to 8.
    plane = torch.zeros(16, 2, dtype=torch.uint8)
    plane[4:9] = torch.tensor([0b11110000, 0b00000001], dtype=torch.uint8)
    bits = {name: value for name, value in batch.items() if name != "mask"}
    bits |= {"planes": plane.reshape(1, 32).repeat(4, 1), "plane_at": torch.tensor([[n, 0] for n in range(4)])}
    _, target = PrepareBatch()(bits, CPU)
    assert torch.equal(target.mask, batch["mask"].float())
    nothing = bits | {"planes": torch.zeros(0, 0, dtype=torch.uint8), "plane_at": torch.zeros(0, 2, dtype=torch.int64)}
    assert not PrepareBatch()(nothing, CPU)[1].mask.any()


def test_processes_augment_differently(batch, monkeypatch):
    first = prepared(batch)
    monkeypatch.setattr("app.engines.batch.rank", lambda: 1)
    assert not any(torch.equal(one, other) for one, other in zip(first, prepared(batch), strict=True))


def test_an_augmentation_that_does_nothing_is_evaluation(batch):
    still = AugmentBatch(flip=0, shift=0, scale=0, rotate=0, shear=0)
    torch.testing.assert_close(PrepareBatch(still)(batch, CPU)[0], PrepareBatch()(batch, CPU)[0])


def test_the_loaders_batch_is_left_alone(batch):
    before = {name: value.clone() for name, value in batch.items()}
    PrepareBatch(AugmentBatch())(batch, CPU)
    assert all(torch.equal(batch[name], value) for name, value in before.items())


def test_image_and_mask_move_together(batch):
    # The image is the mask itself, so that they can be compared after the same warp: linear against on from one half.
    given = batch | {"image": batch["mask"][:, :1] * 255}
    image, target = PrepareBatch(AugmentBatch(flip=1))(given, CPU)
    assert torch.equal(target.mask[:, 0], (image[:, 0] >= 0.5).float())
    assert target.mask[:, 1].max() == 0


def test_the_same_iteration_is_augmented_the_same_way_and_another_another_way(batch):
    first, again = prepared(batch), prepared(batch)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[1], first[2])


def test_augmentation_does_not_hang_on_what_was_drawn_before(batch):
    # A run that is resumed in its third iteration sees the third iteration's augmentation.
    prepare = PrepareBatch(AugmentBatch(), seed=5)
    engine = Engine(lambda engine, data: None)
    engine.state.iteration = 3
    prepare._reseed(engine)
    assert torch.equal(prepare(batch, CPU)[0], prepared(batch, seed=5)[2])


def test_seeds_augment_differently(batch):
    assert not torch.equal(prepared(batch, seed=0)[0], prepared(batch, seed=1)[0])


def test_global_randomness_is_not_touched(batch):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    prepared(batch)
    assert torch.equal(torch.rand(1), expected)
