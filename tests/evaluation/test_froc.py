"""Marks and free-response curves by hand and against loops."""

import math

import numpy as np
import pytest

from evaluation.figures_of_merit import areas, bootstrap_areas
from evaluation.froc import (
    Matches,
    afroc_curve,
    bootstrap_froc,
    free_response_units,
    froc_curve,
    froc_sensitivity,
    jafroc_figure,
    match_marks,
)
from evaluation.marks import Marks, components, peaks
from evaluation.resampling import patient_weights


def test_component_marks():
    value = np.zeros((2, 4, 4))
    value[1, 0, 0], value[1, 0, 1], value[1, 3, 3] = 0.6, 0.9, 0.7
    marks = components(value, [(0, 0, 40, 40), (100, 0, 40, 80)], 0.5)
    # patches are 10 wide and 20 high; the first region spans columns 0 and 1, its middle is their common edge
    assert marks.image.tolist() == [1, 1]
    np.testing.assert_allclose(marks.x, [110, 135])
    np.testing.assert_allclose(marks.y, [10, 70])
    np.testing.assert_allclose(marks.score, [0.9, 0.7])


def test_maps_touch_no_other_map_and_empty_ones_have_no_mark():
    value = np.zeros((3, 2, 2))
    value[0], value[2, 0, 0] = 1, 0.8
    marks = components(value, [(0, 0, 2, 2)] * 3, 0.5)
    assert (marks.image.tolist(), marks.score.tolist()) == ([0, 2], [1, 0.8])
    for nothing in (components(0 * value, [(0, 0, 2, 2)] * 3, 0.5), peaks(value, [(0, 0, 2, 2)] * 3, 2)):
        assert [part.shape for part in (nothing.image, nothing.x, nothing.y, nothing.score)] == [(0,)] * 4


def test_peaks_are_local_maxima():
    # Oracle: every patch against its neighbours, one by one.
    value = np.random.default_rng(1).random((3, 9, 9))
    marks = peaks(value, [(0, 0, 9, 9)] * 3, 0.2)
    expected = [
        (n, i, j)
        for n, i, j in np.ndindex(3, 9, 9)
        if value[n, i, j] == value[n, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].max() >= 0.2
    ]
    np.testing.assert_allclose(np.stack([marks.image, marks.y - 0.5, marks.x - 0.5], 1), expected)


def test_a_plateau_is_marked_once_at_its_centre():
    value = np.zeros((1, 3, 4))
    value[0, 1, 1:3] = 1
    marks = peaks(value, [(0, 0, 4, 3)], 0.5)
    assert (marks.x.tolist(), marks.y.tolist()) == ([2.0], [1.5])


def example():
    """Three images: two lesions in the first, none in the others."""
    marks = Marks(
        image=np.array([0, 0, 0, 1, 1]),
        x=np.array([5.0, 6.0, 50.0, 5.0, 5.0]),
        y=np.array([5.0, 6.0, 50.0, 5.0, 5.0]),
        score=np.array([0.9, 0.4, 0.6, 0.7, 0.3]),
    )
    return match_marks(marks, [[0, 0, 10, 10], [80, 80, 10, 10]], [0, 0], images=3)


def test_matches_by_hand():
    matches = example()
    assert matches.lesion_score.tolist() == [0.9, -np.inf]
    assert sorted(matches.false_score.tolist()) == [0.3, 0.6, 0.7]


def test_froc_by_hand():
    curve = froc_curve(example())
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.7, 0.6, 0.3]
    np.testing.assert_allclose(curve.x, np.array([0, 0, 1, 2, 3]) / 3)
    assert curve.sensitivity.tolist() == [0, 0.5, 0.5, 0.5, 0.5]
    assert froc_sensitivity(curve, [0, 1]).tolist() == [0.5, 0.5]


def test_afroc_and_jafroc_by_hand():
    # Normal images score 0.7 (the highest false mark of the second) and minus infinity (the third has none).
    curve = afroc_curve(example())
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.7]
    assert curve.x.tolist() == [0, 0, 0.5]
    # Lesion 0.9 beats both; the missed lesion loses to 0.7 and ties at minus infinity: 2.5 of 4 pairs.
    assert jafroc_figure(example()) == 2.5 / 4


def test_matching_agrees_with_a_loop():
    random = np.random.default_rng(2)
    marks = Marks(random.integers(0, 30, 200), random.random(200) * 50, random.random(200) * 50, random.random(200))
    boxes, owner = random.random((40, 4)) * [30, 30, 20, 20], random.integers(0, 30, 40)
    matches = match_marks(marks, boxes, owner, 30)
    score, false = np.full(40, -np.inf), np.ones(200, bool)
    for m in range(200):
        for b in range(40):
            x, y, w, h = boxes[b]
            if owner[b] == marks.image[m] and x <= marks.x[m] <= x + w and y <= marks.y[m] <= y + h:
                score[b], false[m] = max(score[b], marks.score[m]), False
    np.testing.assert_array_equal(matches.lesion_score, score)
    np.testing.assert_array_equal(matches.false_score, marks.score[false])


def test_without_lesions_or_marks():
    empty = Marks(np.array([], int), np.array([]), np.array([]), np.array([]))
    matches = match_marks(empty, np.zeros((0, 4)), [], images=2)
    assert np.isnan(froc_curve(matches).sensitivity).all()
    assert np.isnan(jafroc_figure(matches))
    missed = match_marks(empty, [[0, 0, 1, 1]], [0], images=2)
    assert froc_curve(missed).sensitivity.tolist() == [0]
    assert jafroc_figure(missed) == 0.5


def test_boxes_and_marks_are_of_images_that_exist():
    none = Marks(np.zeros(0, dtype=int), np.zeros(0), np.zeros(0), np.zeros(0))
    with pytest.raises(ValueError, match=r"images of boxes must lie in \[0, 3\)"):
        match_marks(none, [[0, 0, 1, 1]], [3], 3)


RATES = (0.125, 0.5, 1, 3)


def drawn(images: int = 40, seed: int = 0) -> Matches:
    """Marks with ties: none to three lesions an image, four in five of them marked, and false marks."""
    generator = np.random.default_rng(seed)
    lesion_image = np.repeat(np.arange(images), generator.integers(0, 4, images) * (generator.random(images) < 0.5))
    false_image = np.repeat(np.arange(images), generator.poisson(1.5, images))
    lesion = generator.normal(1, 1, len(lesion_image)).round(1)
    lesion[generator.random(len(lesion)) < 0.2] = -np.inf
    return Matches(lesion, lesion_image, generator.normal(0, 1, len(false_image)).round(1), false_image, images)


def repeated(matches: Matches, times: list[int]) -> Matches:
    """The same images, each as often as it was drawn."""
    rows = np.repeat(np.arange(matches.images), times)
    pairs = ((matches.lesion_score, matches.lesion_image), (matches.false_score, matches.false_image))
    parts = []
    for score, image in pairs:
        chosen = [(at, n) for n, row in enumerate(rows) for at in np.flatnonzero(image == row)]
        parts += [score[[at for at, _ in chosen]], np.array([n for _, n in chosen], dtype=int)]
    return Matches(*parts, len(rows))


def test_peaks_within_reach():
    # Oracle: every patch against all within two rows and columns, one by one.
    value = np.random.default_rng(2).random((2, 9, 9))
    marks = peaks(value, [(0, 0, 9, 9)] * 2, 0.0, reach=2)
    expected = [
        (n, i, j)
        for n, i, j in np.ndindex(2, 9, 9)
        if value[n, i, j] == value[n, max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3].max()
    ]
    np.testing.assert_allclose(np.stack([marks.image, marks.y - 0.5, marks.x - 0.5], 1), expected)


def test_units_have_the_area_of_jafroc():
    for seed in range(3):
        matches = drawn(seed=seed)
        assert areas(free_response_units(matches)).value[0] == pytest.approx(jafroc_figure(matches), abs=1e-15)


def test_weighted_units_by_hand():
    # Lesions 0.9 and missed in image 0, 0.5 in image 1; normal images 0.6 and unmarked. 0.9 wins both pairs, the missed
    # lesion ties with the unmarked image, 0.5 wins one: ((2 + 1/2) / 2 + 1) / 2 images / 2 normal ones.
    matches = Matches(np.array([0.9, -np.inf, 0.5]), np.array([0, 0, 1]), np.array([0.6]), np.array([2]), images=4)
    assert areas(free_response_units(matches, weighted=True)).value.tolist() == [(2.5 / 2 + 1) / 4]
    assert areas(free_response_units(matches)).value.tolist() == [3.5 / 6]


def test_the_bootstrap_of_froc_is_that_of_repeated_images():
    # A slow second implementation: every replicate's images written out and measured as a set of their own.
    matches, patient = drawn(), np.arange(40) // 2
    result = bootstrap_froc(matches, RATES, patient, replicates=20, seed=3)
    np.testing.assert_allclose(result.value, froc_sensitivity(froc_curve(matches), RATES), rtol=1e-12)
    weights = np.concatenate([part.T for part in patient_weights(20, 20, 3)])
    for replicate, weight in zip(result.replicates, weights, strict=True):
        again = repeated(matches, weight[patient].astype(int).tolist())
        np.testing.assert_allclose(replicate, froc_sensitivity(froc_curve(again), RATES), rtol=1e-12)


def test_the_bootstrap_of_areas_is_that_of_repeated_images():
    matches, patient = drawn(), np.arange(40) // 2
    weights = np.concatenate([part.T for part in patient_weights(20, 20, 3)])
    for weighted in (False, True):
        result = bootstrap_areas(free_response_units(matches, patient, weighted), replicates=20, seed=3)
        assert result.value == areas(free_response_units(matches, patient, weighted)).value
        for replicate, weight in zip(result.replicates, weights, strict=True):
            again = free_response_units(repeated(matches, weight[patient].astype(int).tolist()), None, weighted)
            np.testing.assert_allclose(replicate, areas(again).value, rtol=1e-12)


def test_without_lesions_the_bootstrap_is_undefined():
    nothing = Matches(np.zeros(0), np.zeros(0, dtype=int), np.array([0.5]), np.array([0]), images=2)
    assert np.isnan(bootstrap_froc(nothing, RATES, replicates=5).replicates).all()


@pytest.mark.parametrize("rate", [-1, math.nan])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match=f"a rate of false marks is 0 or more, not {rate}"):
        froc_sensitivity(froc_curve(drawn()), [1, rate])
    with pytest.raises(ValueError, match=f"a rate of false marks is 0 or more, not {rate}"):
        bootstrap_froc(drawn(), [1, rate])
