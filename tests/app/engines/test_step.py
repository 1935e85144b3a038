"""A step of several batches is that of one as large; scaled losses lose nothing; nothing is kept of a batch."""

import functools
import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from torch import Tensor, nn

from app.contract import Prediction, Target
from app.engines.device import MixedPrecisionInferer, require_compiler
from app.engines.step import TrainingStep
from tests.app.engines.tiny_training import BothHeads, tiny_network, trained

CPU = torch.device("cpu")
GENERATOR = torch.Generator().manual_seed(3)
IMAGE = torch.rand(12, 1, 8, 8, generator=GENERATOR)
LABEL = torch.randint(0, 2, (12, 1), generator=GENERATOR).float()


def after_an_epoch(
    batch: int,
    network: nn.Module | None = None,
    images: int = 12,
    step: TrainingStep | None = None,
    listeners: Mapping[Any, Callable[[Any], None]] | None = None,
    **settings: Any,
) -> nn.Module:
    """A network after an epoch of plain steps over the images in order; each batch weighs its images alike."""
    network = tiny_network() if network is None else network
    step = TrainingStep(MixedPrecisionInferer("float32", CPU), **settings) if step is None else step
    trainer = SupervisedTrainer(
        device=CPU,
        max_epochs=1,
        train_data_loader=[
            {"image": IMAGE[:images][f : f + batch], "label": LABEL[:images][f : f + batch]}
            for f in range(0, images, batch)
        ],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.5),
        loss_function=BothHeads(),
        prepare_batch=target_of,
        iteration_update=step,
        decollate=False,
    )
    for event, listener in (listeners or {}).items():
        trainer.add_event_handler(event, listener)
    trainer.run()
    return network


def target_of(batch: dict[str, Tensor], device: torch.device, non_blocking: bool) -> tuple[Tensor, Target]:
    known = torch.ones_like(batch["label"], dtype=torch.bool)
    return batch["image"], Target(batch["label"], batch["image"], known)


def assert_same(network: nn.Module, other: nn.Module, tolerance: float) -> None:
    for (name, value), expected in zip(network.state_dict().items(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(value, expected, atol=tolerance, rtol=0, msg=name)


@pytest.mark.parametrize(("batch", "accumulate"), [(6, 2), (4, 3), (2, 6), (1, 12)])
def test_batches_of_a_step_are_one_large_batch(batch, accumulate):
    # 1e-6: sums of float32 in another order.
    assert_same(after_an_epoch(batch, accumulate=accumulate), after_an_epoch(12), 1e-6)


def test_what_is_left_of_an_epoch_makes_a_step_of_its_own():
    # Batches of two, two a step: steps of four, four and two images; against those three batches.
    small = after_an_epoch(2, images=10, accumulate=2)
    network = tiny_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    for image, label in zip(IMAGE[:10].split(4), LABEL[:10].split(4), strict=True):
        optimizer.zero_grad()
        BothHeads()(network(image), Target(label, image, label >= 0)).backward()
        optimizer.step()
    assert_same(small, network, 1e-6)


def test_gradients_are_shortened_to_the_norm_asked_for():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    after_an_epoch(12, network, clip=0.01)
    moved = [value - before[name] for name, value in network.state_dict().items() if name != "seen"]
    # A step of plain descent is the rate times the gradient: 0.5 of 0.01.
    assert torch.cat([each.flatten() for each in moved]).norm().item() == pytest.approx(0.005, rel=1e-3)


def test_float16_learns_what_float32_does():
    # 11 bits of mantissa over three layers: a few thousandths of the weights' size, which is about 1.
    step = TrainingStep(MixedPrecisionInferer("float16", CPU))
    # The scale a training starts with overflows at first, by design.
    step.load_state_dict(step.state_dict() | {"scale": 1024.0})
    assert_same(after_an_epoch(4, step=step), after_an_epoch(4), 5e-3)
    assert step.state_dict()["scale"] == 1024.0


def test_float16_loses_no_gradient_that_is_too_small_for_it():
    # Spread over 256 cells, gradients of a loss of a ten-millionth are below 6e-8, the least number of float16.
    class Small(BothHeads):
        def forward(self, prediction: Prediction, target: Target) -> Tensor:
            return super().forward(prediction, target) * 1e-7

    network = tiny_network()
    trained(network=network, loss=Small(), name="float16")
    reference = tiny_network()
    trained(network=reference, loss=Small())
    for one, other in zip(network.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0.05, atol=1e-9)
        assert other.grad.abs().max() > 1e-9


def test_a_step_that_overflows_is_left_out_and_the_scale_is_halved():
    class Endless(nn.Module):
        def forward(self, prediction: Prediction, target: Target) -> Tensor:
            return prediction.score.sum() * torch.inf

    network, step = tiny_network(), TrainingStep(MixedPrecisionInferer("float16", CPU))
    result = trained(count=4, network=network, loss=Endless(), name="float16")
    assert_same(network, tiny_network(), 0)
    # Two epochs of one step: halved twice.
    assert result["step"]["scale"] == 65536.0 / 4
    step.load_state_dict(result["step"])
    assert step.state_dict() == result["step"]


def test_a_scale_is_of_no_use_to_another_precision():
    scaled = TrainingStep(MixedPrecisionInferer("float16", CPU))
    plain = TrainingStep(MixedPrecisionInferer("bfloat16", CPU))
    assert plain.state_dict() == {}
    plain.load_state_dict(scaled.state_dict())
    scaled.load_state_dict(plain.state_dict())
    assert scaled.state_dict()["scale"] == 65536.0


def test_an_evaluation_between_two_batches_leaves_the_network_in_training():
    network, modes = tiny_network(), []
    network.register_forward_pre_hook(lambda module, inputs: modes.append((module.training, module.body.training)))
    for _ in range(2):
        after_an_epoch(6, network)
        network.eval()
    assert modes == [(True, True)] * 4


def test_who_listens_to_a_step_is_told():
    told = []
    events = (IterationEvents.BACKWARD_COMPLETED, IterationEvents.MODEL_COMPLETED)
    after_an_epoch(6, listeners={event: lambda engine: told.append(engine.last_event_name) for event in events})
    assert told == [*events, *events]


def test_nothing_is_kept_of_a_batch_but_its_loss():
    predictions, alive = [], []

    class Noted(BothHeads):
        def forward(self, prediction: Prediction, target: Target) -> Tensor:
            predictions.append(weakref.ref(prediction.map))
            return super().forward(prediction, target)

    network = tiny_network()
    step = TrainingStep(MixedPrecisionInferer("float32", CPU))

    def watched(engine: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        output = step(engine, batch)
        alive.append(predictions[-1]() is not None)
        assert not output["loss"].requires_grad
        return output

    gc.disable()
    try:
        trainer = SupervisedTrainer(
            device=CPU,
            max_epochs=1,
            train_data_loader=[{"image": IMAGE, "label": LABEL}] * 2,
            network=network,
            optimizer=torch.optim.SGD(network.parameters(), lr=0.5),
            loss_function=Noted(),
            prepare_batch=target_of,
            iteration_update=watched,
            decollate=False,
        )
        trainer.run()
    finally:
        gc.enable()
    assert alive == [False, False]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"accumulate": 0}, "accumulate is 0 batches a step, but must be 1 or more"),
        ({"clip": 0.0}, "clip is 0.0, but must be above 0, or null for no limit"),
    ],
)
def test_what_makes_no_sense_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        TrainingStep(MixedPrecisionInferer("float32", CPU), **setting)


def test_a_missing_compiler_is_told_of_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"compile: true needs a C\+\+ compiler, but 'g\+\+' is not on the path"):
        MixedPrecisionInferer("float32", CPU, compile=True)
    with pytest.raises(RuntimeError, match="needs a C compiler, but 'cc' is not on the path"):
        require_compiler(torch.device("cuda"))


def can_compile() -> bool:
    try:
        require_compiler(CPU)
    except RuntimeError:
        return False
    return True


@pytest.mark.skipif(not can_compile(), reason="there is no C++ compiler")
def test_a_compiled_network_says_the_same():
    network = nn.Conv2d(1, 1, 1)
    network.forward = lambda image: Prediction(image.mean(dim=(2, 3)) * network.weight.sum(), image * 2)
    with torch.no_grad():
        seen = MixedPrecisionInferer("float32", CPU, compile=True)(IMAGE, network)
        expected = network.forward(IMAGE)
    torch.testing.assert_close(seen.score, expected.score)
    assert torch.equal(seen.map, expected.map)


def test_a_compiled_network_keeps_its_names_and_can_be_watched(monkeypatch):
    # Traced as ever, but not translated to C++, which takes long.
    monkeypatch.setattr(nn.Module, "compile", functools.partialmethod(nn.Module.compile, backend="eager"))
    monkeypatch.setattr("app.engines.device.require_compiler", lambda device: None)
    network, seen = tiny_network(), []
    names = list(network.state_dict())
    inferer = MixedPrecisionInferer("float32", CPU, compile=True)
    with torch.no_grad():
        # The second batch is smaller, as the last one of an epoch may be.
        for size in (12, 5):
            expected = network.forward(IMAGE[:size])
            torch.testing.assert_close(inferer(IMAGE[:size], network).map, expected.map, atol=1e-5, rtol=0)
        assert network._compiled_call_impl is not None
        with network.body.register_forward_hook(lambda module, given, output: seen.append(output.shape)):
            inferer(IMAGE, network)
    assert seen == [(12, 3, 8, 8)], "layers of a compiled network can be watched"
    assert list(network.state_dict()) == names
