"""Orderings: what they are read as, and what paired differences say of them."""

import itertools
import math
import statistics

import pytest
from scipy import stats

from app.sweeps.orderings import mean_and_interval, parse_claim, verdict
from evaluation.cases import Interval

FACTORS = {"level": ("contour", "box", "image"), "size": ("100", "400"), "loss": ("li", "relaxed")}
CELLS = [dict(zip(FACTORS, values, strict=True)) for values in itertools.product(*FACTORS.values())]


def said(text: str, cells=CELLS) -> set[str]:
    return {pair.words for pair in parse_claim(text, FACTORS, cells).pairs}


def test_a_chain_at_one_place():
    assert said("contour > box > image in dice.macro at size=100 and li") == {
        "contour > box at size=100, loss=li",
        "box > image at size=100, loss=li",
    }


def test_at_every_value_of_what_is_not_named():
    expected = {f"400 > 100 at level={level}, loss={loss}" for level in FACTORS["level"] for loss in FACTORS["loss"]}
    assert said("400 > 100 in auc.macro") == said("400 > 100 in auc.macro at every level") == expected


def test_groups_are_each_compared():
    assert said("contour and box > image in auc at size=400 and loss=li") == {
        "contour > image at size=400, loss=li",
        "box > image at size=400, loss=li",
    }


def test_less_is_more_the_other_way_round():
    assert said("li < relaxed in seconds at box and 100") == {"relaxed > li at level=box, size=100"}


def test_metric_names_may_hold_spaces_and_points():
    claim = parse_claim("relaxed > li in iou_accuracy.T 0.1.macro at every size", FACTORS, CELLS)
    assert claim.metric == "iou_accuracy.T 0.1.macro"
    assert len(claim.pairs) == 6


def test_pairs_of_which_one_does_not_run_are_left_out():
    cells = [cell for cell in CELLS if cell != {"level": "box", "size": "100", "loss": "li"}]
    assert said("contour > box in auc at li", cells) == {"contour > box at size=400, loss=li"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contour > 100 in auc", "are not values of one factor"),
        ("contour > boxes in auc", "'boxes' is no value of a factor"),
        ("contour > box", "must read"),
        ("contour > box < image in auc", "must read"),
        ("contour > box in auc at every level", "must name another factor: size, loss"),
        ("contour > box in auc at image", "must be a value of one other factor"),
    ],
)
def test_unclear_claims_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_claim(text, FACTORS, CELLS)


def test_names_of_two_factors_need_their_factor():
    factors = {"start": ("none", "own"), "crop": ("none", "lungs")}
    cells = [dict(zip(factors, values, strict=True)) for values in itertools.product(*factors.values())]
    with pytest.raises(ValueError, match="no value"):
        parse_claim("own > crop=own in auc", factors, cells)
    pairs = parse_claim("own > none in auc at crop=none", factors, cells).pairs
    assert [pair.words for pair in pairs] == ["own > none at crop=none"]


def test_interval_is_scipys():
    values = [0.81, 0.84, 0.79, 0.88]
    mean, deviation = mean_and_interval(values)
    # Oracle: scipy's one-sample t interval.
    lower, upper = stats.t.interval(0.95, 3, statistics.mean(values), stats.sem(values))
    assert (mean.value, mean.lower, mean.upper) == pytest.approx((0.83, lower, upper))
    assert deviation == pytest.approx(statistics.stdev(values))


def test_too_few_values_have_no_interval():
    assert math.isnan(mean_and_interval([])[0].value)
    mean, deviation = mean_and_interval([0.5])
    assert mean.value == 0.5
    assert math.isnan(mean.lower)
    assert math.isnan(deviation)


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
