"""What is computed on parts of the grid is the same as on the whole."""

import cv2
import numpy as np
import pytest

from app.phantoms.grid import HOLLOW, Grid, add_rod, rods


@pytest.mark.parametrize("size", [64, 100, 333])
@pytest.mark.parametrize("sigma", [0.4, 2.5])
def test_a_blurred_part_has_the_pixels_of_the_blurred_whole(size, sigma):
    grid, values = Grid(size, 400.0, -200.0, -60.0), np.random.default_rng(0).random((size, size), np.float32)
    values[: size // 3], values[:, : size // 4], values[:, size // 2 :] = 0, 0, 0
    whole = cv2.GaussianBlur(values, (0, 0), max(sigma / grid.spacing, 0.1))
    np.testing.assert_array_equal(grid.blurred(values, sigma), whole)


def test_rods_drawn_together_are_those_drawn_one_by_one():
    grid = Grid(100, 400.0, -200.0, -60.0)
    lines = np.random.default_rng(0).uniform(-250, 350, (6, 5, 2))  # some reach beyond the image
    together, apart = grid.empty(), grid.empty()
    for rod in rods(grid, lines, np.linspace(3, 9, 5), 4.0, HOLLOW):
        rod.add_to(together)
    for line in lines:
        add_rod(apart, grid, line, np.linspace(3, 9, 5), 4.0, HOLLOW)
    assert together.any()
    np.testing.assert_array_equal(together, apart)
