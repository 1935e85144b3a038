"""The debiased calibration error against another library, and its coverage."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from evaluation.calibration import expected_calibration_error
from evaluation.calibration_error import debiased_calibration_error, equal_bins
from evaluation.logits import probability


def cases(seed=3, n=300):
    random = np.random.default_rng(seed)
    score = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], n // 5)
    return score, (random.random(n) < score**1.3).astype(float)


def test_one_probability_a_bin_is_that_of_kumar_et_al():
    # uncertainty-calibration 0.1.4, of the paper's authors: get_calibration_error(score, label, p=2, debias=True).
    assert debiased_calibration_error(*cases(), bins=5).value == pytest.approx(0.05461731270812982, rel=1e-9)


def test_the_square_is_unbiased():
    """Of 500 calibrated cases the plain error is 0.056 on average, and the mean debiased square 0."""
    random = np.random.default_rng(0)
    plain, squares = [], []
    for _ in range(300):
        score = probability(random.normal(0, 1.5, 500))
        label = random.random(500) < score
        plain.append(expected_calibration_error(score, label))
        gap, share = np.zeros(15), 1 / 15
        number = equal_bins(score, 15)
        for k in range(15):
            residual = (score - label)[number == k]
            gap[k] = residual.mean() ** 2 - residual.var(ddof=1) / residual.size
        squares.append(gap.sum() * share)
        expected = math.sqrt(max(0.0, float((gap * np.bincount(number)).sum() / 500)))
        assert debiased_calibration_error(score, label).value == pytest.approx(expected, abs=1e-9)
    assert np.mean(plain) == pytest.approx(0.056, abs=0.003)
    assert abs(np.mean(squares)) < 2.5 * np.std(squares) / math.sqrt(300)


@pytest.mark.parametrize("slope", [1.0, 0.6], ids=["calibrated", "overconfident"])
@pytest.mark.parametrize("images", [1, 4])
def test_intervals_cover(slope, images):
    """200 sets of 400 images, a patient's alike; the truth is that of 200,000 cases in as many bins."""
    random = np.random.default_rng(1)

    def draw(patients, images):
        number = np.repeat(np.arange(patients), images)
        shared, own = random.normal(size=(2, patients)), random.normal(size=(2, number.size))
        noise, chance = math.sqrt(0.5) * (shared[:, number] + own)
        return -0.5 + 1.5 * noise, chance, number

    logit, _, _ = draw(200_000, 1)
    number = equal_bins(probability(logit), 15)
    gap = np.bincount(number, weights=probability(logit) - probability(slope * logit)) / np.bincount(number)
    truth = math.sqrt(np.mean(np.square(gap)))
    covered = 0
    for _ in range(200):
        logit, chance, patient = draw(400 // images, images)
        label = ndtr(chance) < probability(slope * logit)
        result = debiased_calibration_error(probability(logit), label, patient)
        covered += result.lower <= truth <= result.upper
    assert 0.91 < covered / 200 <= 1


def test_images_repeated_within_patients_add_nothing():
    score, label = cases()
    once = debiased_calibration_error(score, label, np.arange(300), bins=5)
    twice = debiased_calibration_error(*(np.repeat(each, 2) for each in (score, label)), np.arange(600) // 2, bins=5)
    assert (twice.value, twice.lower, twice.upper) == pytest.approx((once.value, once.lower, once.upper))


def test_bins_of_equal_size():
    assert equal_bins(np.arange(10.0), 5).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert equal_bins(np.zeros(10), 5).tolist() == [0] * 10
    assert equal_bins(np.array([0.0] * 9 + [1.0]), 3).tolist() == [0] * 9 + [1]
    assert np.bincount(equal_bins(np.random.default_rng(0).random(1000), 15)).min() >= 66


def test_an_error_of_little_variance_has_a_narrow_interval():
    # One bin, nobody has the finding: the error is the mean score, and its standard error that of the mean.
    random = np.random.default_rng(0)
    for width, cases in ((0.01, 1000), (1e-4, 40), (1e-6, 1000)):
        score = 0.85 + width * random.random(cases)
        result = debiased_calibration_error(score, np.zeros(cases), bins=1)
        half = 1.96 * score.std(ddof=1) / np.sqrt(cases)
        assert result.value == pytest.approx(score.mean())
        assert result.upper - result.value == pytest.approx(half, rel=0.01)
        assert result.value - result.lower == pytest.approx(half, rel=0.01)


def test_equal_distances_have_no_interval():
    result = debiased_calibration_error(np.full(1000, 0.85), np.zeros(1000))
    assert result.value == pytest.approx(0.85)
    assert np.isnan([result.lower, result.upper]).all()


@pytest.mark.parametrize("count", [1, 40])
def test_a_single_patient_gives_no_interval(count):
    result = debiased_calibration_error(np.full(count, 0.9), np.zeros(count), np.zeros(count))
    assert np.isnan([result.lower, result.upper]).all()


def test_a_patient_alone_in_a_bin_shows_no_error_there():
    # The bin of 0.9 is one patient's, who has the finding in none of ten images; the others are calibrated: half.
    score, label = np.repeat([0.5, 0.9], [40, 10]), np.concatenate([np.tile([0, 1], 20), np.zeros(10)])
    patient = np.concatenate([np.arange(40), np.full(10, 40)])
    assert debiased_calibration_error(score, label, patient, bins=2).value == 0
    assert debiased_calibration_error(score, label, bins=2).value > 0.3


def test_few_cases_and_no_known_case():
    assert math.isnan(debiased_calibration_error([0.5], [-1]).value)
    alone = debiased_calibration_error([0.5, 0.5], [1, 0], ["a", "a"])
    assert (alone.value, math.isnan(alone.lower)) == (0, True)
    unknown = debiased_calibration_error([0.2, 0.3, 0.9], [0, 1, np.nan])
    assert (unknown.present, unknown.absent, unknown.unknown) == (1, 1, 1)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\], not in \[-2.0, 0.5\]"):
        debiased_calibration_error([-2, 0.5], [0, 1])
    with pytest.raises(ValueError, match="bins must be 1 or more, not 0"):
        debiased_calibration_error([0.5], [1], bins=0)
    with pytest.raises(ValueError, match="1 of 2 scores are NaN"):
        debiased_calibration_error([math.nan, 0.5], [1, 0])
    with pytest.raises(ValueError, match="the confidence level must lie between 0 and 1, not be 95"):
        debiased_calibration_error([0.2, 0.5], [1, 0], level=95)


def test_an_error_far_beyond_chance_has_limits_around_it():
    # All are present. The share does not vary, so that chance adds only how the probabilities do.
    score = 0.5 + np.linspace(0, 1e-3, 10_000)
    result = debiased_calibration_error(score, np.ones(10_000))
    assert result.value == pytest.approx(0.4995, abs=1e-6)
    wide = debiased_calibration_error(score, np.ones(10_000), level=0.999)
    assert 0.4994 < wide.lower < result.lower < result.value < result.upper < wide.upper < 0.4996
