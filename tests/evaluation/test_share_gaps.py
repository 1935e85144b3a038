"""Differences of shares between groups: a published example, another library, shared patients, coverage."""

import numpy as np
import pytest

from evaluation.share_gaps import share_gaps


def cases(*counts: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Right cases and groups A, B, ... for (right, all) of each group."""
    right = np.concatenate([np.arange(total) < right for right, total in counts])
    return right, np.repeat([chr(ord("A") + n) for n in range(len(counts))], [total for _, total in counts])


@pytest.mark.parametrize(
    ("first", "second", "lower", "upper"),
    [
        # Newcombe 1998, table II, contrasts (a) and (c), method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        # statsmodels 0.15.0, confint_proportions_2indep(10, 10, 0, 20, method="newcomb").
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_limits_of_independent_cases_are_newcombes(first, second, lower, upper):
    right, group = cases(first, second)
    gap = share_gaps(right, np.ones(len(right), dtype=bool), group)[0]
    assert gap.difference.value == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert (gap.difference.lower, gap.difference.upper) == pytest.approx((lower, upper), abs=5e-5)
    assert (gap.inside.right, gap.inside.cases, gap.outside.patients) == (*first, second[1])


def test_groups_are_held_against_all_others_and_unknown_ones_are_left_out():
    right, group = cases((1, 2), (2, 4), (4, 4), (3, 3))
    gaps = share_gaps(right, np.ones(13, dtype=bool), np.where(group == "D", "", group))
    assert [gap.group for gap in gaps] == ["A", "B", "C"]
    assert [(gap.outside.right, gap.outside.cases) for gap in gaps] == [(6, 8), (5, 6), (3, 6)]


def test_a_group_without_a_case_has_no_difference():
    right, group = cases((1, 2), (2, 4))
    gap = share_gaps(right, group == "B", group)[0]
    assert gap.inside.cases == 0
    assert np.isnan([gap.inside.interval.value, gap.difference.value, gap.difference.upper]).all()


def test_a_patient_on_both_sides_cancels():
    # Both images of a patient are right, or both wrong: the shares are the same whatever the patients, so only the
    # widths of the two intervals remain, which are the same, and the correlation is 1.
    right = np.repeat(np.arange(20) < 12, 2)
    group, patient = np.tile(["AP", "PA"], 20), np.repeat(np.arange(20), 2)
    everyone = np.ones(40, dtype=bool)
    with_patients, without = (share_gaps(right, everyone, group, p)[0].difference for p in (patient, None))
    assert (with_patients.lower, with_patients.upper) == pytest.approx((0, 0), abs=0.1)
    assert without.upper == pytest.approx(0.27996, abs=5e-6)  # statsmodels 0.15.0, 12 of 20 against 12 of 20


def test_patients_are_counted_once():
    right, group = cases((6, 8), (3, 8))
    gap = share_gaps(right, np.ones(16, dtype=bool), group, np.arange(16) // 2)[0]
    assert (gap.inside.cases, gap.inside.patients) == (8, 4)


@pytest.mark.parametrize("images", [1, 4])
def test_intervals_cover(images):
    """300 sets of 10 patients against 40, whose images are alike: at least 90% (by binomial error, 95% meant)."""
    draw = np.random.default_rng(0)
    group, patient = np.repeat(["A", "B"], [10 * images, 40 * images]), np.repeat(np.arange(50), images)
    covered = 0
    for _ in range(300):
        chance = draw.beta(1.6, 0.4, 50)  # mean 0.8, correlation 1 / 3 within a patient
        right = draw.random(50 * images) < np.repeat(chance, images)
        limits = share_gaps(right, np.ones(50 * images, dtype=bool), group, patient)[0].difference
        covered += limits.lower <= 0 <= limits.upper
    assert covered >= 270


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="must have one shape"):
        share_gaps([1, 0], [1, 1], ["A"])
