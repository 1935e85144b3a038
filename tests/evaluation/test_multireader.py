"""Readers and cases: the published analyses of Van Dyke's data, and analysis of variance of pseudovalues.

Van Dyke et al., "Cine MRI in the diagnosis of thoracic aortic dissection", 79th RSNA Meetings, 1993: five readers,
cine against spin-echo MRI, 45 patients with a dissection and 69 without. The numbers are those that the user guide of
the R package MRMCaov (Smith and Hillis) prints for empirical areas.
"""

import math

import numpy as np
import pytest

from evaluation.cases import Interval
from evaluation.figures_of_merit import Units, areas
from evaluation.multireader import Population, obuchowski_rockette

CINE = (0.9196457, 0.8587762, 0.9038647, 0.9731079, 0.8297907)
SPIN_ECHO = (0.9478261, 0.9053140, 0.9217391, 0.9993559, 0.9299517)
ERRORS = (
    (0.0301255164, 0.0363753335, 0.0282594118, 0.0173388332, 0.0417201720),
    (0.0221416887, 0.0298151099, 0.0297673065, 0.0007213348, 0.0262023046),
)
"""Of the areas, by the jackknife."""
PAIRED_ERRORS = (0.02551213, 0.02630183, 0.03120965, 0.01729129, 0.04405746)
"""Of each reader's difference."""


def published_covariance(error: float, cov1: float, cov2: tuple[float, float], cov3: float) -> np.ndarray:
    """Ten areas with the published means of variances and covariances."""
    among = np.full((2, 5, 2, 5), cov3)
    for modality in range(2):
        among[modality, :, modality] = cov2[modality]
        for reader in range(5):
            among[modality, reader, modality, reader] = error
            among[modality, reader, 1 - modality, reader] = cov1
    return among.reshape(10, 10)


DELONG = published_covariance(0.0007921325, 0.0003420090, (0.0004775239, 0.0002015292), 0.0002358497)


def jackknife() -> np.ndarray:
    """Each area with its own variance, each reader with its own Cov1, as published."""
    among = published_covariance(0, 0, (0.0004839618, 0.0002041879), 0.0002390284).reshape(2, 5, 2, 5)
    variances = np.square(ERRORS)
    for reader, error in enumerate(PAIRED_ERRORS):
        for modality in range(2):
            among[modality, reader, modality, reader] = variances[modality, reader]
            among[modality, reader, 1 - modality, reader] = (variances[:, reader].sum() - error**2) / 2
    return among.reshape(10, 10)


def assert_interval(interval: Interval, value: float, lower: float, upper: float) -> None:
    assert (interval.value, interval.lower, interval.upper) == pytest.approx((value, lower, upper), abs=1e-6)


def test_random_readers_and_cases_of_van_dyke():
    result = obuchowski_rockette([CINE, SPIN_ECHO], DELONG)
    assert result.test.statistic == pytest.approx(4.484854, abs=1e-4)
    assert (result.test.numerator_freedom, result.test.denominator_freedom) == (1, pytest.approx(15.06611, abs=1e-3))
    assert result.test.p == pytest.approx(0.05123303, abs=1e-6)
    [pair] = result.differences
    assert_interval(pair.difference, -0.04380032, -0.0878671960, 0.0002665519)
    assert (pair.error, pair.p) == pytest.approx((0.0206825, 0.05123303), abs=1e-6)
    assert_interval(result.modalities[0], 0.8970370, 0.8253461, 0.9687280)
    assert_interval(result.modalities[1], 0.9408374, 0.8942155, 0.9874592)
    components = result.components
    assert (components.reader, components.modality_by_reader) == pytest.approx((0.0015364254, 0.0002045840), abs=1e-8)
    assert components.error == pytest.approx(0.0007921325, abs=1e-12)
    assert components.covariance_same_reader == pytest.approx(0.0003420090, abs=1e-12)
    assert components.covariance_same_modality == pytest.approx(0.0003395265, abs=1e-10)
    assert components.covariance_different == pytest.approx(0.0002358497, abs=1e-12)


def test_fixed_readers_of_van_dyke():
    result = obuchowski_rockette([CINE, SPIN_ECHO], jackknife(), Population(readers=False))
    assert result.test.statistic == pytest.approx(5.475953, abs=1e-4)
    assert math.isinf(result.test.denominator_freedom)
    assert result.test.p == pytest.approx(0.01927984, abs=1e-6)
    assert_interval(result.differences[0].difference, -0.04380032, -0.08048591, -0.00711473)
    assert_interval(result.modalities[0], 0.8970370, 0.8494301, 0.9446440)
    assert_interval(result.modalities[1], 0.9408374, 0.9079564, 0.9737183)
    alone = [reader[0] for reader in result.by_reader]
    expected = [0.26933885, 0.07683102, 0.56683414, 0.12901715, 0.02300099]
    assert [each.p for each in alone] == pytest.approx(expected, abs=1e-6)
    assert_interval(alone[4].difference, -0.10016103, -0.186512066, -0.013809995)


def test_fixed_cases_of_van_dyke():
    result = obuchowski_rockette([CINE, SPIN_ECHO], DELONG, Population(cases=False))
    assert (result.test.statistic, result.test.denominator_freedom) == pytest.approx((8.704, 4), abs=1e-3)
    assert result.test.p == pytest.approx(0.04195875, abs=1e-6)
    assert_interval(result.differences[0].difference, -0.04380032, -0.08502022, -0.00258042)
    assert_interval(result.modalities[0], 0.8970370, 0.8280981, 0.9659760)
    assert result.components is None


def readings(modalities: int, seed: int = 0) -> np.ndarray:
    """Scores (N, T, R) of 20 present and 25 absent cases."""
    generator = np.random.default_rng(seed)
    present = np.arange(45) < 20
    case, reader = generator.normal(size=(45, 1, 1)), generator.normal(0, 0.3, (1, 1, 4))
    own = generator.normal(size=(45, modalities, 4))
    return np.round(1.2 * present[:, None, None] + case + reader + own, 1)


def figures_of(score: np.ndarray):
    flat, number = score.reshape(len(score), -1), np.arange(len(score))
    return areas(Units(flat[:20], number[:20], np.ones(20), flat[20:], number[20:], len(score)))


@pytest.mark.parametrize("modalities", [2, 3])
def test_it_is_the_analysis_of_variance_of_pseudovalues(modalities):
    # Dorfman, Berbaum and Metz (1992) with the improvements of Hillis et al., "Recent developments in the
    # Dorfman-Berbaum-Metz procedure" (2008), is equivalent if covariances are by the jackknife.
    figures, n, r = figures_of(readings(modalities)), 45, 4
    result = obuchowski_rockette(figures.value.reshape(modalities, r), figures.jackknife_covariance())
    pseudo = (n * figures.value - (n - 1) * figures.without).reshape(n, modalities, r)
    pseudo += figures.value.reshape(modalities, r) - pseudo.mean(axis=0)

    def mean(*kept: int) -> np.ndarray:
        return pseudo.mean(axis=tuple({0, 1, 2} - set(kept)), keepdims=True)

    t = modalities
    of_modality = n * r * np.square(mean(1) - mean()).sum() / (t - 1)
    by_reader = n * np.square(mean(1, 2) - mean(1) - mean(2) + mean()).sum() / ((t - 1) * (r - 1))
    by_case = r * np.square(mean(0, 1) - mean(0) - mean(1) + mean()).sum() / ((t - 1) * (n - 1))
    rest = pseudo - mean(0, 1) - mean(0, 2) - mean(1, 2) + mean(0) + mean(1) + mean(2) - mean()
    by_both = np.square(rest).sum() / ((t - 1) * (n - 1) * (r - 1))
    denominator = by_reader + max(by_case - by_both, 0)
    assert result.test.statistic == pytest.approx(of_modality / denominator, rel=1e-9)
    freedom = denominator**2 / (by_reader**2 / ((t - 1) * (r - 1)))
    assert result.test.denominator_freedom == pytest.approx(freedom, rel=1e-9)


def test_pairs_of_three_modalities_are_corrected_together():
    figures = figures_of(readings(3))
    result = obuchowski_rockette(figures.value.reshape(3, 4), figures.covariance())
    assert [(each.first, each.second) for each in result.differences] == [(0, 1), (0, 2), (1, 2)]
    smallest = min(result.differences, key=lambda each: each.p)
    assert smallest.p_holm == pytest.approx(min(1, 3 * smallest.p))


def test_a_single_reader_is_a_paired_comparison():
    # Then the chi-squared test is DeLong's, by its variance of a difference.
    figures = figures_of(readings(2)[:, :, :1])
    among = figures.covariance()
    result = obuchowski_rockette(figures.value.reshape(2, 1), among, Population(readers=False))
    error = math.sqrt(among[0, 0] + among[1, 1] - 2 * among[0, 1])
    assert result.differences[0].error == pytest.approx(error, rel=1e-12)
    assert result.by_reader[0][0].p == pytest.approx(result.test.p, rel=1e-12)


def test_a_single_modality_has_an_interval_and_no_test():
    figures = figures_of(readings(1))
    result = obuchowski_rockette(figures.value.reshape(1, 4), figures.covariance())
    assert result.test is None
    assert result.differences == ()
    interval = result.modalities[0]
    assert interval.lower < figures.value.mean() < interval.upper


def test_readings_that_are_alike_do_not_differ_at_all():
    score = readings(2)
    score[:, 1] = score[:, 0]
    figures = figures_of(score)
    for population in (Population(), Population(readers=False), Population(cases=False)):
        result = obuchowski_rockette(figures.value.reshape(2, 4), figures.covariance(), population)
        assert result.differences[0].difference == Interval(0.0, 0.0, 0.0)
        assert (result.differences[0].p, result.test.p) == (1.0, 1.0)


def test_areas_of_one_everywhere_show_nothing():
    result = obuchowski_rockette(np.ones((2, 3)), np.zeros((6, 6)))
    assert math.isnan(result.differences[0].p)
    assert math.isnan(result.test.p)
    assert math.isnan(result.modalities[0].lower)


def test_under_no_effect_p_is_below_a_twentieth_one_time_in_twenty():
    # 400 studies of four readers; two standard errors of a share of 5% are 2.2%.
    p = []
    for seed in range(400):
        figures = figures_of(readings(2, seed))
        p.append(obuchowski_rockette(figures.value.reshape(2, 4), figures.covariance()).test.p)
    assert 0.028 <= np.mean(np.array(p) < 0.05) <= 0.072


@pytest.mark.parametrize(
    ("figure", "among", "population", "message"),
    [
        (np.ones((2, 3)), np.ones((5, 5)), Population(), r"shape \(2, 3\) and their covariance \(5, 5\)"),
        ([[0.8, math.nan]], np.ones((2, 2)), Population(), "a figure of merit is undefined"),
        ([[0.8], [0.9]], np.ones((2, 2)), Population(), "a single reader does not show how readers vary"),
        ([[0.8, 0.9]], np.ones((2, 2)), Population(False, False), "cannot both be fixed"),
        ([[0.8, 0.9]], np.full((2, 2), math.nan), Population(), "fewer than two patients"),
    ],
)
def test_what_cannot_be_analysed_is_refused(figure, among, population, message):
    with pytest.raises(ValueError, match=message):
        obuchowski_rockette(figure, among, population)
