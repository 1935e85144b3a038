"""Rules of votes: by hand, and NEATX's published combination."""

import csv
from itertools import permutations
from pathlib import Path

import pytest

from app.annotations.voting import any_of, by_certainty, majority


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ((1, 1, 0), 1),
        ((0, 0, 1), 0),
        ((1, 0), -1),
        ((1, -1, -1), -1),
        ((1, -2, -2), 1),
        ((-2, -2), -2),
        ((0.75, 1, 0.25), 1),
        ((0.5, 0.5), -1),
        ((), -2),
    ],
)
def test_majority(values: tuple[float, ...], state: int):
    assert {majority(order) for order in permutations(values)} == {state}


@pytest.mark.parametrize(
    ("at_least", "values", "state"),
    [(1, (0, 0, 1), 1), (2, (0, 0, 1), -1), (2, (1, 0, 1), 1), (2, (0, 0, 0), 0), (1, (-1, -2), -1), (1, (-2,), -2)],
)
def test_any_of(at_least: int, values: tuple[float, ...], state: int):
    assert any_of(at_least, otherwise=-1)(values) == state


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ((0.75, 1), 1),
        ((0.25, 0), 0),
        ((0.75, 0.25), -1),
        ((0.5, 1), -1),
        ((0.5, 0), -1),
        ((0.5, 0.5), -1),
        ((1, -2), -2),
        ((1, -1), -1),
        ((), -2),
    ],
)
def test_certainties(values: tuple[float, ...], state: int):
    assert {by_certainty(order) for order in permutations(values)} == {state}


def test_neatx_combination_is_the_published_one(frugal_data: Path):
    from app.datasets.neatx import neatx

    made = neatx(frugal_data / "tables", each_image_a_patient=True).sections["training"]
    columns = ("Chest_drain", "NSG_tube", "Endotracheal_tube", "Tracheostomy_tube")
    with (frugal_data / "tables" / "neatx_padchest_aggregated.csv").open(newline="") as file:
        published = {row["ImageID"]: tuple(int(row[name]) for name in columns) for row in csv.DictReader(file)}
    assert len(published) == 1011
    assert {item.image: item.label for item in made} == published
