"""What a selection finds in simulated pools, and what its evaluation says of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.datalist.item import Datalist, Item
from app.planning.prices import Prices, Purchase
from app.selection.evaluation import effective, verdict
from app.selection.scores import Scores
from app.selection.selection import CHOSEN_BY, LEVEL, Selection, Wish, datalist_of, select
from app.selection.used import Used

FINDINGS = ("Nodule",)
PRICES = Prices(
    "minutes", (Purchase("image", 1), Purchase("box", 3, each_positive=2, prevalence=0.5)), {}, 9, frozenset()
)


def pool(images: int, prevalence: float, seed: int) -> tuple[list[Item], np.ndarray, Scores]:
    """Logits are normal, 1.466 apart: an area of Phi(1.466 / sqrt 2) = 0.85; they are calibrated at this prevalence."""
    generator = np.random.default_rng(seed)
    present = (generator.permutation(images) < prevalence * images).astype(float)
    x = generator.normal(size=images) + 1.466 * present
    logit = 1.466 * (x - 0.733) + np.log(prevalence / (1 - prevalence))
    probability = (1 / (1 + np.exp(-logit)))[None, :, None]
    items = [Item(f"{index}.png", f"p{index}", (-2,)) for index in range(images)]
    return items, present, Scores(probability, np.full_like(probability, np.nan))


def chosen(selection: Selection, present: np.ndarray) -> tuple[int, int]:
    """How many images were chosen, and how many of them have the finding."""
    truth = [present[int(item.image.split(".")[0])] for item in selection.items]
    return len(truth), int(sum(truth))


def read(selection: Selection, present: np.ndarray, findings: tuple[str, ...] = FINDINGS) -> tuple[Used, Used]:
    """The selection as written, and the labels that came back; the run was trained with 1,000 images of like shares."""
    share = float(np.mean(present))
    trained = {finding: [round(1000 * share), round(1000 * (1 - share))] for finding in findings}
    listed = datalist_of(selection, Datalist.unsplit("pool", findings, []), {"trained": trained})
    labelled = [Item(item.image, item.patient, (present[int(item.image[:-4])],)) for item in selection.items]
    return Used(listed, Path("next.json")), Used(Datalist.unsplit("back", findings, labelled), Path("back.json"))


@pytest.mark.parametrize("strategy", ["mixed", "rare"])
def test_a_finding_of_two_percent_is_found_twice_as_often_as_by_random(strategy: str):
    for seed in range(3):
        items, present, scores = pool(5000, 0.02, seed)
        one = select(items, FINDINGS, scores, {"Nodule": (20, 980)}, PRICES, Wish(strategy, 500, seed=seed))
        images, positives = chosen(one, present)
        assert images == 500
        assert positives >= 20  # random reads find 500 * 0.02 = 10
        result = verdict(*read(one, present))
        assert result.words == "better than random"


@pytest.mark.parametrize("strategy", ["mixed", "uncertain", "coverage", "rare"])
def test_on_balanced_data_nothing_is_better_than_random(strategy: str):
    items, present, scores = pool(2000, 0.5, 0)
    one = select(items, FINDINGS, scores, {"Nodule": (500, 500)}, PRICES, Wish(strategy, 300))
    result = verdict(*read(one, present))
    assert result.words != "better than random"
    assert result.difference.lower <= 0


def test_a_little_more_balance_is_no_better_than_random():
    """As measured with phantoms: 88 of 214 had it; all of 30 chosen and 17 of 30 random images had it."""
    items = [
        Item(f"{n}.png", f"p{n}", (-2,), attributes={CHOSEN_BY: "rare" if n < 30 else "random"}) for n in range(60)
    ]
    facts = {"selection": {"strategy": "mixed", "findings": ["Nodule"], "trained": {"Nodule": [88, 126]}}}
    listed = replace(Datalist.unsplit("next", FINDINGS, items), provenance=facts)
    back = [replace(item, label=(float(n < 47),)) for n, item in enumerate(items)]
    result = verdict(Used(listed, Path("next.json")), Used(Datalist.unsplit("back", FINDINGS, back), Path("back.json")))
    # By hand: 4 * 118 * 126 / 244 - 4 * 88 * 126 / 214 = 36.5 if all are present, 32.0 for 17 of 30.
    assert result.gains[0].by_chosen.value == pytest.approx(36.5, abs=0.5)
    assert result.gains[0].by_random.value == pytest.approx(32.0, abs=0.5)
    assert (result.difference.lower > 0, result.words) == (True, "no better than random")


def test_the_random_share_has_the_pool_s_prevalence():
    items, present, scores = pool(3000, 0.2, 1)
    one = select(items, FINDINGS, scores, {}, PRICES, Wish("rare", 1500))
    random = [present[int(item.image[:-4])] for item in one.items if item.attributes[CHOSEN_BY] == "random"]
    assert len(random) == 300  # a fifth
    assert abs(np.mean(random) - 0.2) < 0.07  # three standard errors
    # The order does not tell: random images are spread over all.
    marks = [item.attributes[CHOSEN_BY] == "random" for item in one.items]
    assert abs(np.mean(np.flatnonzero(marks)) - 750) < 80


def test_boxes_only_where_a_finding_is_likely_or_labelled():
    p = np.array([0.1, 0.9, 0.2])[None, :, None]
    items = [Item("0.png", "a", (-2,)), Item("1.png", "b", (-2,)), Item("2.png", "c", (0.75,))]
    one = select(items, FINDINGS, Scores(p, np.full_like(p, np.nan)), {}, PRICES, Wish("random", 100, level="box"))
    levels = {item.image: item.attributes[LEVEL] for item in one.items}
    assert levels == {"0.png": "image", "1.png": "box", "2.png": "box"}
    # By hand: an image 1; a box 2 + 2 p, so 3.8 at p = 0.9 and 3.5 at the label's 0.75.
    assert one.cost == pytest.approx(8.3)
    suggested = {item.image: item.label for item in one.suggestions}
    assert suggested == {"0.png": (0,), "1.png": (1,), "2.png": (1,)}


def test_effective_cases_are_those_of_a_balanced_set_of_equal_variance():
    # 1 / 30 + 1 / 90 = 4 / 90: as the variance with 45 and 45.
    assert effective(30, 90) == pytest.approx(90)
    assert effective(0, 0) == 0


def test_an_evaluation_needs_both_parts():
    items, present, scores = pool(200, 0.5, 0)
    listed, back = read(select(items, FINDINGS, scores, {}, PRICES, Wish("random", 50)), present)
    with pytest.raises(ValueError, match="drawn at random"):
        verdict(listed, back)
    with pytest.raises(ValueError, match="was not written by frugal next"):
        verdict(back, back)
    listed, back = read(select(items, FINDINGS, scores, {}, PRICES, Wish("rare", 50)), present)
    back.datalist.sections["training"] = []
    with pytest.raises(ValueError, match="none of the images"):
        verdict(listed, back)
