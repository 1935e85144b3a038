"""The two batches that everything meets in, and the one way from a mask to a map's grid."""

import pytest
import torch

from app.contract import Prediction, Target, mask_on_grid


def test_a_prediction_stands_for_its_scores():
    prediction = Prediction(score=torch.zeros(3, 2, dtype=torch.float64), map=torch.zeros(3, 2, 4, 5))
    assert prediction.shape == (3, 2)
    assert prediction.dtype == torch.float64


def test_both_batches_unpack_in_the_order_of_their_names():
    score, here = Prediction(torch.ones(1, 1), torch.zeros(1, 1, 2, 2))
    assert (score.shape, here.shape) == ((1, 1), (1, 1, 2, 2))
    label, mask, annotated = Target(torch.ones(1, 1), torch.zeros(1, 1, 2, 2), torch.ones(1, 1, dtype=torch.bool))
    assert (label.shape, mask.shape, annotated.dtype) == ((1, 1), (1, 1, 2, 2), torch.bool)


def test_each_cell_gets_the_share_of_its_area_that_the_mask_covers():
    # By hand: cells of 2 x 2 pixels with 4, 2, 1 and 0 of 4 covered.
    mask = torch.tensor([[[[1, 1, 1, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]]], dtype=torch.uint8)
    assert mask_on_grid(mask, (2, 2)).tolist() == [[[[1.0, 0.5], [0.25, 0.0]]]]


@pytest.mark.parametrize("kind", [torch.uint8, torch.bool, torch.int64, torch.float64])
def test_a_mask_of_any_type_becomes_float32(kind):
    mask = torch.ones(1, 2, 4, 4, dtype=kind)
    for grid in ((4, 4), (2, 2), (8, 8)):
        result = mask_on_grid(mask, grid)
        assert result.dtype == torch.float32
        assert result.shape == (1, 2, *grid)
        assert bool((result == 1).all())


def test_a_finer_grid_repeats_the_mask():
    mask = torch.tensor([[[[1.0, 0.0]]]])
    assert mask_on_grid(mask, (2, 4)).tolist() == [[[[1, 1, 0, 0], [1, 1, 0, 0]]]]


@pytest.mark.parametrize("grid", [(3, 3), (5, 7), (1, 1)])
def test_shares_stay_shares_where_the_grid_does_not_divide_the_mask(grid):
    mask = (torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    result = mask_on_grid(mask, grid)
    assert result.shape == (2, 3, *grid)
    assert result.min() >= 0
    assert result.max() <= 1


def test_the_covered_share_of_the_whole_is_kept_where_the_grid_divides_the_mask():
    mask = (torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    torch.testing.assert_close(mask_on_grid(mask, (4, 8)).mean(dim=(2, 3)), mask.mean(dim=(2, 3)))
