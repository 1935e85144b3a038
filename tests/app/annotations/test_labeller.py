"""A report labeller of a given F1: measured by scikit-learn on real label rows, and by hand on few."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from app.annotations.labeller import Quality, labelled, quality_at
from app.datalist.item import Box, Datalist, Item


@pytest.mark.parametrize(
    ("given", "quality"),
    [
        ({}, (0.8, 0.8)),
        ({"precision": 1.0}, (1.0, 2 / 3)),
        ({"recall": 0.9}, (0.72, 0.9)),
        ({"precision": 0.8}, (0.8, 0.8)),
    ],
)
def test_the_other_follows_from_f1(given: dict[str, float], quality: tuple[float, float]):
    made = quality_at(0.8, **given)
    assert made == pytest.approx(quality)
    assert made.f1 == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("f1", "given", "message"),
    [
        (0, {}, "F1 0: must be above 0"),
        (1.1, {}, "F1 1.1: must be above 0"),
        (0.8, {"precision": 0.6}, "needs precision and recall between 0.6667 and 1, not 0.6"),
        (0.8, {"recall": 1.5}, "not 1.5"),
        (0.8, {"recall": 0.8, "precision": 0.8}, "not both"),
    ],
)
def test_impossible_labellers_are_refused(f1: float, given: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        quality_at(f1, **given)


def made(*labels: float) -> list[Item]:
    return [Item(f"{number:03}.png", str(number), (label, 1)) for number, label in enumerate(labels)]


def test_so_many_mistakes_and_no_others():
    items = made(*[1] * 10, *[0] * 30, -1, -2, 0.5)
    found, facts = labelled(items, ("A", "B"), {"A": Quality(0.5, 0.8)}, seed=3)
    values = [item.label[0] for item in found]
    assert sum(values[:10]) == 8
    assert sum(values[10:40]) == 8
    assert values[40:] == [-1, -2, 0.5]
    assert {item.label[1] for item in found} == {1}
    assert facts == {
        "A": {"positives": 10, "missed": 2, "claimed": 8, "precision": 0.5, "recall": 0.8, "f1": 0.6154},
    }
    assert [item.label[0] for item in items[:10]] == [1] * 10  # what was given stays as it was


def test_a_labeller_says_nothing_of_places():
    item = Item("1.png", "p", (1,), boxes=(Box("A", 0, 0, 1, 1),), annotated=("A",))
    ((found,), _) = labelled([item], ("A",), {"A": Quality(1, 1)}, 0)
    assert (found.label, found.boxes, found.mask, found.annotated) == ((1,), (), {}, ())


def test_order_has_no_say_and_seeds_have():
    items = made(*[1] * 50, *[0] * 50)
    quality = {"A": Quality(0.7, 0.7)}

    def labels(given: list[Item], seed: int) -> dict[str, tuple[float, ...]]:
        return {item.image: item.label for item in labelled(given, ("A", "B"), quality, seed)[0]}

    assert labels(items, 1) == labels(items[::-1], 1)
    assert labels(items, 1) != labels(items, 2)


def test_a_better_labeller_makes_some_of_the_same_mistakes():
    items = made(*[1] * 50, *[0] * 50)
    wrong = []
    for f1 in (0.7, 0.9):
        found, _ = labelled(items, ("A", "B"), {"A": quality_at(f1)}, 0)
        wrong.append({item.image for item, was in zip(found, items, strict=True) if item.label != was.label})
    assert wrong[1] < wrong[0]


def test_claims_need_negatives():
    with pytest.raises(ValueError, match=r"A: precision 0\.5 at recall 1 needs 3 false positives, but only 1 images"):
        labelled(made(1, 1, 1, 0), ("A", "B"), {"A": Quality(0.5, 1)}, 0)
    with pytest.raises(ValueError, match="labeller: unknown finding 'C'"):
        labelled(made(1), ("A", "B"), {"C": Quality(1, 1)}, 0)


@pytest.mark.parametrize(("f1", "given"), [(0.75, {}), (0.95, {}), (0.8, {"precision": 0.9})])
def test_f1_on_112120_real_rows_is_what_was_asked(chestxray14_datalist: Datalist, f1: float, given: dict[str, float]):
    datalist = chestxray14_datalist
    truth = np.array([item.label for item in datalist.items()], np.int8)
    quality = quality_at(f1, **given)
    items, _ = labelled(datalist.items(), datalist.findings, dict.fromkeys(datalist.findings, quality), 0)
    said = np.array([item.label for item in items], np.int8)
    common = [place for place in range(14) if truth[:, place].sum() >= 1000]
    assert len(common) == 13  # all but Hernia, which 227 images have
    for place in common:
        one, two = truth[:, place], said[:, place]
        assert f1_score(one, two) == pytest.approx(f1, abs=0.005)
        assert precision_score(one, two) == pytest.approx(quality.precision, abs=0.005)
        assert recall_score(one, two) == pytest.approx(quality.recall, abs=0.005)


def test_measures_that_are_not_defined_are_not_told():
    facts = labelled([Item(f"{n}.png", "p", (0,)) for n in range(4)], ("Nodule",), {"Nodule": quality_at(0.8)}, 0)[1]
    assert facts == {"Nodule": {"positives": 0, "missed": 0, "claimed": 0}}
