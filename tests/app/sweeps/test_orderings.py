"""Orderings: which pairs of cells they compare, and the verdict on a paired difference."""

import itertools
import math
import statistics

import pytest
from scipy import stats

from app.sweeps.orderings import difference_of, over_replicates, parse_ordering, verdict
from evaluation.cases import Interval

FACTORS = {"level": ("contour", "box", "image"), "size": ("100", "400"), "loss": ("li", "relaxed")}
CELLS = [dict(zip(FACTORS, values, strict=True)) for values in itertools.product(*FACTORS.values())]


def pairs(factor: str, order: list, at: dict | None = None, cells=CELLS) -> set[str]:
    given = {"metric": "auc", "factor": factor, "order": order} | ({"at": at} if at else {})
    return {pair.text for pair in parse_ordering(given, FACTORS, cells).pairs}


def test_a_chain_at_one_combination_of_the_other_factors():
    assert pairs("level", ["contour", "box", "image"], {"size": 100, "loss": "li"}) == {
        "contour > box at size=100, loss=li",
        "box > image at size=100, loss=li",
    }


def test_without_at_every_combination_of_the_other_factors_is_compared():
    expected = {f"400 > 100 at level={level}, loss={loss}" for level in FACTORS["level"] for loss in FACTORS["loss"]}
    assert pairs("size", [400, 100]) == expected


def test_at_takes_several_values():
    assert pairs("size", [400, 100], {"level": ["box", "image"], "loss": "li"}) == {
        "400 > 100 at level=box, loss=li",
        "400 > 100 at level=image, loss=li",
    }


def test_values_of_one_rank_are_each_compared_with_the_next():
    assert pairs("level", [["contour", "box"], "image"], {"size": 400, "loss": "li"}) == {
        "contour > image at size=400, loss=li",
        "box > image at size=400, loss=li",
    }


def test_an_ordering_has_a_text_for_tables():
    given = {"metric": "iou_accuracy.T 0.1.macro", "factor": "level", "order": [["contour", "box"], "image"]}
    ordering = parse_ordering(given | {"at": {"size": [100, 400]}}, FACTORS, CELLS)
    assert ordering.text == "contour and box > image in iou_accuracy.T 0.1.macro at size=100 or 400"
    assert ordering.metric == "iou_accuracy.T 0.1.macro"


def test_a_pair_is_left_out_if_one_of_its_cells_does_not_run():
    cells = [cell for cell in CELLS if cell != {"level": "box", "size": "100", "loss": "li"}]
    assert pairs("level", ["contour", "box"], {"loss": "li"}, cells) == {"contour > box at size=400, loss=li"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor": "levels"}, "unknown 'levels'; known are level, size, loss. Did you mean 'level'"),
        ({"order": ["contour", "boxes"]}, "level: unknown 'boxes'; known are contour, box, image. Did you mean 'box'"),
        ({"order": ["contour"]}, "must be {metric: METRIC, factor: FACTOR, order: "),
        ({"metric": None}, "must be {metric: METRIC, factor: FACTOR, order: "),
        ({"where": {}}, "unknown 'where'"),
        ({"at": {"level": "image"}}, "at: unknown 'level'; known are size, loss"),
        ({"at": {"size": 200}}, "at: size: unknown '200'"),
        ({"order": ["contour", "contour"], "at": {"size": []}}, "no two cells that run differ in this way"),
    ],
)
def test_an_unclear_ordering_is_refused(change: dict, message: str):
    given = {"metric": "auc", "factor": "level", "order": ["contour", "box"]}
    with pytest.raises(ValueError, match=message):
        parse_ordering(given | change, FACTORS, CELLS)


def test_the_interval_is_that_of_scipy():
    values = [0.81, 0.84, 0.79, 0.88]
    repeated = over_replicates(values)
    # Oracle: scipy's one-sample t interval.
    lower, upper = stats.t.interval(0.95, 3, statistics.mean(values), stats.sem(values))
    interval = repeated.interval
    assert (interval.value, interval.lower, interval.upper) == pytest.approx((0.83, lower, upper))
    assert repeated.deviation == pytest.approx(statistics.stdev(values))


def test_too_few_or_undefined_values_have_no_interval():
    assert math.isnan(over_replicates([]).interval.value)
    assert math.isnan(over_replicates([0.5, math.nan]).interval.value)
    repeated = over_replicates([0.5])
    assert repeated.interval.value == 0.5
    assert math.isnan(repeated.interval.lower)
    assert math.isnan(repeated.deviation)


def test_differences_are_paired_unless_one_is_all_that_is_shared():
    many = {0: 0.5, 1: 0.6, 2: 0.7}
    paired = difference_of({0: 0.6, 1: 0.7, 2: 0.9}, many)  # by hand: 0.1, 0.1 and 0.2
    assert paired.value == pytest.approx(0.4 / 3)
    assert paired.lower == pytest.approx(stats.t.interval(0.95, 2, 0.4 / 3, stats.sem([0.1, 0.1, 0.2]))[0])
    ensemble = difference_of({0: 0.9}, many)  # 0.9 - 0.6, the mean; 0.9 - 0.5 would be the first seed alone
    assert ensemble.value == pytest.approx(0.3)
    assert math.isnan(ensemble.lower)
    assert difference_of(many, {0: 0.9}).value == pytest.approx(-0.3)
    assert math.isnan(difference_of({3: 0.9}, many).value)
    assert math.isnan(difference_of({0: math.nan}, many).value)


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((0.2, 0.1, 0.3), "shown"),
        ((0.2, -0.1, 0.5), "not shown"),
        ((-0.2, -0.5, 0.1), "other way round"),
        ((0.0, 0.0, 0.0), "other way round"),
        ((-0.2, -0.3, -0.1), "contradicted"),
        ((0.2, math.nan, math.nan), "not shown"),
        ((math.nan, math.nan, math.nan), "undefined"),
    ],
)
def test_verdicts(interval, expected):
    assert verdict(Interval(*interval)) == expected
