"""Distances between boundaries, against surface-distance 0.1 (DeepMind) and by hand."""

import math

import numpy as np
import pytest

from evaluation.boundaries import boundary_distances

DOWN, ACROSS = np.mgrid[:60, :70]
FIRST = ((DOWN - 30) / 20) ** 2 + ((ACROSS - 30) / 12) ** 2 <= 1
SECOND = ((DOWN - 33) / 18) ** 2 + ((ACROSS - 34) / 15) ** 2 <= 1


@pytest.mark.parametrize(
    ("spacing", "hausdorff", "largest", "within"),
    [
        # compute_robust_hausdorff(95 and 100) and compute_surface_dice_at_tolerance(2.0)
        ((1.0, 1.0), 7.0, 7.615773105863909, 0.4435405356147668),
        ((0.5, 0.8), 5.2, 5.797413216254299, 0.5537390744678236),
    ],
)
def test_ellipses_as_by_surface_distance(spacing, hausdorff, largest, within):
    for pair in ((FIRST, SECOND), (SECOND, FIRST)):
        distances = boundary_distances(*pair, spacing)
        assert distances.hausdorff() == pytest.approx(hausdorff, abs=1e-12)
        assert distances.hausdorff(1) == pytest.approx(largest, abs=1e-12)
        assert distances.within(2.0) == pytest.approx(within, abs=1e-12)


def test_a_shifted_square_by_hand():
    # Twelve by twelve pieces; a shift by three to the right moves the left and right sides by three.
    first, second = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    first[5:16, 5:16] = True
    second[5:16, 8:19] = True
    distances = boundary_distances(first, second)
    assert distances.hausdorff(1) == 3
    # Of each: sides of 10 and four slants of half the root of 2. Beyond 2.9 lie the outer side with its two slants, and
    # of the inner side what is 3 or more away from the other square's upper and lower sides: 6.
    side, slant = 10, math.sqrt(0.5)
    assert distances.first_length.sum() == pytest.approx(4 * side + 4 * slant)
    assert distances.within(2.9) == pytest.approx(1 - (side + 2 * slant + 6) / (4 * side + 4 * slant))
    assert distances.within(3) == 1


def test_the_place_does_not_matter_nor_do_the_edges_of_the_image():
    moved = [np.roll(region, (-10, -18), (0, 1)) for region in (FIRST, SECOND)]
    cut = [region[:, : ACROSS.shape[1] - 20] for region in moved]
    first, second = boundary_distances(FIRST, SECOND), boundary_distances(*cut)
    assert (first.hausdorff(), first.within(1)) == (second.hausdorff(), second.within(1))


def test_a_distance_of_exactly_the_tolerance_lies_within_it():
    # By hand: six rows of 0.4 and one column of 0.7 are 2.5 mm, as 2.4 * 2.4 + 0.7 * 0.7 is 6.25.
    first, second = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    first[2, 2] = second[8, 3] = True
    assert boundary_distances(first, second, (0.4, 0.7)).within(2.5) > 0


def test_empty_regions():
    nothing = np.zeros(FIRST.shape, bool)
    missed = boundary_distances(nothing, FIRST)
    assert (missed.hausdorff(), missed.within(5)) == (math.inf, 0)
    neither = boundary_distances(nothing, nothing)
    assert math.isnan(neither.hausdorff())
    assert math.isnan(neither.within(5))


def test_equal_regions():
    same = boundary_distances(FIRST, FIRST)
    assert (same.hausdorff(), same.within(0)) == (0, 1)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(60, 70\) and \(60, 69\)"):
        boundary_distances(FIRST, SECOND[:, 1:])
