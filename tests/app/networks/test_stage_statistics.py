"""Means and deviations of a backbone's stages, and their standardisation, against torch's own statistics."""

import pytest
import torch

from app.networks.stage_statistics import Standardise, stage_statistics


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_each_cell_has_mean_and_deviation_of_what_lies_in_it() -> None:
    fine, coarse = random(2, 3, 8, 8), random(2, 5, 2, 2)
    found = stage_statistics([fine, coarse])
    cell = fine[:, :, :4, 4:].flatten(2)  # the upper right one of 2 x 2
    torch.testing.assert_close(found[:, :3, 0, 1], cell.mean(dim=2))
    torch.testing.assert_close(found[:, 3:8], coarse)
    torch.testing.assert_close(found[:, 8:, 0, 1], cell.std(dim=2, correction=0))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_which_export_as_onnx_makes_gives_the_same() -> None:
    stages = [random(2, 3, 11, 13), random(2, 4, 6, 7), random(2, 5, 3, 4)]  # sizes that cells do not divide
    traced = torch.jit.trace(lambda *values: stage_statistics(list(values)), stages)
    assert "adaptive" not in str(traced.graph)
    torch.testing.assert_close(traced(*stages), stage_statistics(stages))


def test_a_constant_image_has_finite_gradients() -> None:
    fine = torch.ones(1, 1, 4, 4, requires_grad=True)
    stage_statistics([fine, torch.ones(1, 1, 2, 2)]).sum().backward()
    assert fine.grad is not None
    assert bool(fine.grad.isfinite().all())


def test_all_batches_of_a_training_count_alike_and_one_image_is_not_remembered() -> None:
    layer, batches = Standardise(2), [random(8, 2, 1, 1) * 3 + 5, random(8, 2, 1, 1) - 1]
    for batch in (*batches, random(1, 2, 1, 1)):
        layer(batch)
    mean = torch.stack([batch.mean(dim=0) for batch in batches]).mean(dim=0)
    variance = torch.stack([batch.var(dim=0) for batch in batches]).mean(dim=0)
    features = random(4, 2, 3, 3)
    torch.testing.assert_close(layer.eval()(features), (features - mean) / (variance + 1e-5).sqrt())


def test_a_training_with_batches_of_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="set batch_size to more"):
        Standardise(2)(random(1, 2, 1, 1))
