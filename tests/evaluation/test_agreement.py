"""Kappa against scikit-learn, published tables and resampling."""

import csv
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from evaluation.agreement import (
    cohen_kappa,
    fleiss_kappa,
    landis_koch,
    linear_weight,
    quadratic_weight,
)


def readers(seed, n=200, levels=5, noise=1.0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, levels, n)
    return [np.clip(np.round(truth + random.normal(0, noise, n)), 0, levels - 1) for _ in range(2)]


@pytest.mark.parametrize(
    ("weight", "theirs"), [(None, None), (linear_weight(5), "linear"), (quadratic_weight(5), "quadratic")]
)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_scikit_learn(seed, weight, theirs):
    one, two = readers(seed)
    result = cohen_kappa(one, two, range(5), weight)
    assert result.kappa.value == pytest.approx(cohen_kappa_score(one, two, weights=theirs), abs=1e-12)


@pytest.mark.parametrize("weight", [None, quadratic_weight(5)], ids=["plain", "weighted"])
def test_standard_error_agrees_with_resampling(weight):
    # Oracle: 3,000 plain bootstrap replicates; the two agree to about 1 / sqrt(n).
    one, two = readers(0, n=400)
    random = np.random.default_rng(1)
    drawn = [random.integers(0, 400, 400) for _ in range(3000)]
    replicates = [cohen_kappa(one[i], two[i], range(5), weight).kappa.value for i in drawn]
    limits = cohen_kappa(one, two, range(5), weight).kappa
    assert (limits.upper - limits.lower) / (2 * 1.959964) == pytest.approx(np.std(replicates), rel=0.06)


def test_the_example_of_fleiss_cohen_and_everitt():
    # Their Table 1 (shares of 200 cases in three categories); kappa 0.429 with standard error 0.054 as published.
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])
    one, two = (np.repeat(axis.ravel(), table.ravel()) for axis in np.indices(table.shape))
    result = cohen_kappa(one, two, range(3))
    assert result.kappa.value == pytest.approx(0.429, abs=5e-4)
    reach = np.arctanh(result.kappa.upper) - np.arctanh(result.kappa.value)  # Student's of 199 on Fisher's scale
    assert reach * (1 - result.kappa.value**2) / 1.971957 == pytest.approx(0.054, abs=5e-4)


@pytest.mark.parametrize(("patients", "least"), [(60, 0.92), (20, 0.9)])
def test_kappa_covers_with_four_images_a_patient(patients, least):
    random, inside, apart = np.random.default_rng(8), 0, 0
    patient = np.repeat(np.arange(patients), 4)
    for _ in range(400):
        # A reader errs on a patient's images alike in four of five cases; kappa is 0.598 by two million cases.
        truth = np.repeat(random.random(patients) < 0.3, 4)
        readers = []
        for _ in range(2):
            alike = np.repeat(random.random(patients) < 0.1, 4)
            readers.append(
                truth ^ np.where(np.repeat(random.random(patients) < 0.8, 4), alike, random.random(4 * patients) < 0.1)
            )
        together, single = cohen_kappa(*readers, patient=patient).kappa, cohen_kappa(*readers).kappa
        inside += together.lower <= 0.598 <= together.upper
        apart += single.lower <= 0.598 <= single.upper
    assert least <= inside / 400 <= 0.98
    assert apart / 400 < 0.8


def test_the_example_of_fleiss():
    # Ten subjects, fourteen readers, five categories: the worked example of encyclopaedias, kappa 0.210.
    votes = np.array(
        [
            [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
        ]
    )  # fmt: skip
    rating = np.array([np.repeat(np.arange(5), row) for row in votes])
    result = fleiss_kappa(rating, range(5))
    assert result.kappa.value == pytest.approx(0.210, abs=5e-4)
    assert result.observed == pytest.approx(0.378, abs=5e-4)
    assert result.expected == pytest.approx(0.213, abs=5e-4)


def test_fleiss_interval_agrees_with_resampling():
    random = np.random.default_rng(0)
    truth = random.random((300, 1)) < 0.4
    rating = (truth ^ (random.random((300, 4)) < 0.15)).astype(float)
    replicates = [fleiss_kappa(rating[random.integers(0, 300, 300)]).kappa.value for _ in range(2000)]
    limits = fleiss_kappa(rating).kappa
    assert (limits.upper - limits.lower) / (2 * 1.959964) == pytest.approx(np.std(replicates), rel=0.06)


def test_unknown_cases_are_left_out_and_counted():
    one, two = [0, 1, 1, -1, np.nan, 0], [0, 1, 0, 1, 1, -2]
    result = cohen_kappa(one, two)
    assert (result.cases, result.left_out) == (3, 3)
    assert result.kappa.value == pytest.approx(cohen_kappa_score([0, 1, 1], [0, 1, 0]))
    three = fleiss_kappa([[0, 0, 0], [1, 1, -1], [1, 0, 1], [1, 1, 1]])
    assert (three.cases, three.left_out) == (3, 1)


def test_full_agreement_is_not_certain():
    result = cohen_kappa([0, 1] * 10, [0, 1] * 10)
    assert result.kappa.value == result.kappa.upper == 1
    # Clopper and Pearson for 20 of 20 is 0.025 ** (1 / 20); chance agrees in half of the cases.
    assert result.kappa.lower == pytest.approx((0.025 ** (1 / 20) - 0.5) / 0.5)


@pytest.mark.parametrize(
    ("one", "two"), [([], []), ([1, 1], [1, 1]), ([-1], [1])], ids=["nobody", "one class", "unknown"]
)
def test_undefined(one, two):
    result = cohen_kappa(one, two)
    assert math.isnan(result.kappa.value)
    assert result.name == "Undefined"
    assert math.isnan(fleiss_kappa(np.stack([one, two], axis=1)).kappa.value)


def test_values_must_be_categories():
    with pytest.raises(ValueError, match=r"1 values are neither a category of \[0.0, 1.0\] .* the first is 0.25"):
        cohen_kappa([0, 0.25], [0, 1])
    with pytest.raises(ValueError, match=r"shape \(1,\) and B \(2,\)"):
        cohen_kappa([0], [0, 1])


@pytest.mark.parametrize(
    ("kappa", "name"),
    [
        (-0.1, "No agreement"), (0, "No agreement"), (0.2, "None to slight"), (0.21, "Fair"), (0.54, "Moderate"),
        (0.6, "Moderate"), (0.72, "Substantial"), (0.91, "Almost perfect"), (1, "Almost perfect"),
    ],
)  # fmt: skip
def test_names(kappa, name):
    # The last four appear in Cheplygina et al., Fig. 4 and section 4.3.
    assert landis_koch(kappa) == name


def test_two_annotators_of_tubes(frugal_data):
    # Oracle: scikit-learn on the same published annotations.
    with (frugal_data / "tables" / "neatx_padchest_raw.csv").open() as file:
        rows = list(csv.DictReader(file))
    levels = (0, 0.25, 0.5, 0.75, 1)
    for tube in ("Chest_drain_tube", "NSG_tube", "Endotracheal_tube", "Tracheostomy_tube"):
        cells = [(row[f"{tube}_a1"], row[f"{tube}_a2"]) for row in rows]
        pairs = np.array([[_number(cell) for cell in pair] for pair in cells])
        known = ~np.isnan(pairs).any(axis=1)
        ours = cohen_kappa(pairs[:, 0], pairs[:, 1], levels, quadratic_weight(5))
        theirs = cohen_kappa_score(*(4 * pairs[known]).astype(int).T, weights="quadratic", labels=range(5))
        assert ours.kappa.value == pytest.approx(theirs, abs=1e-12)
        assert ours.cases == known.sum() > 900
        assert 0 < ours.kappa.lower < ours.kappa.value < ours.kappa.upper < 1


def _number(text):
    try:
        return float(text)
    except ValueError:  # "INVALID"
        return math.nan


@pytest.mark.parametrize(
    ("one", "two", "kappa"),
    [([0] * 100_000, [1] + [0] * 99_999, 0.0), ([0, 1] * 10, [1, 0] * 10, -1.0), ([0] * 10, [1] * 10, 0.0)],
    ids=["one reader never says present", "never agree", "each always says another"],
)
def test_no_variance_is_no_certainty(one, two, kappa):
    result = cohen_kappa(one, two).kappa
    assert result.value == pytest.approx(kappa, abs=1e-9)
    assert np.isnan([result.lower, result.upper]).all()  # not the value itself
    both = fleiss_kappa(np.stack([one, two], axis=1)).kappa
    assert both.value <= 0
    assert both.lower != both.upper


@pytest.mark.parametrize("sizes", [(1, 2, 4), (3, 5, 3), (6, 7, 36)])
def test_full_agreement_survives_rounding(sizes):
    codes = np.repeat([0, 1, 2], sizes)
    result = cohen_kappa(codes, codes, (0, 1, 2)).kappa
    assert (result.value, result.upper) == pytest.approx((1, 1), abs=1e-12)
    assert result.lower < 0.99


def clustered(seed, patients=150, images=4):
    """Two readers who both tend to say the same of all images of a patient."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), images)
    truth = np.repeat(random.random(patients) < 0.4, images)
    wrong = np.repeat(random.random((patients, 2)) < 0.15, images, axis=0) ^ (random.random((len(truth), 2)) < 0.03)
    return (truth[:, None] ^ wrong).T.astype(float), patient


def width(result):
    return (result.kappa.upper - result.kappa.lower) / (2 * 1.959964)


@pytest.mark.parametrize("kappa", [cohen_kappa, lambda a, b, **k: fleiss_kappa(np.stack([a, b], axis=1), **k)])
def test_images_of_a_patient_are_taken_together(kappa):
    (one, two), patient = clustered(0)
    result, alone = kappa(one, two, patient=patient), kappa(one, two)
    assert result.kappa.value == alone.kappa.value
    assert (result.cases, result.observed, result.expected) == (alone.cases, alone.observed, alone.expected)
    # Oracle: patients drawn with replacement, all images of each with it.
    random, replicates = np.random.default_rng(1), []
    for _ in range(1500):
        drawn = (random.integers(0, 150, 150)[:, None] * 4 + np.arange(4)).ravel()
        replicates.append(kappa(one[drawn], two[drawn]).kappa.value)
    assert width(result) == pytest.approx(np.std(replicates), rel=0.07)
    assert width(result) > 1.5 * width(alone)


@pytest.mark.parametrize("weight", [None, linear_weight(5)], ids=["plain", "weighted"])
def test_patients_of_one_image_are_cases_and_copies_are_no_evidence(weight):
    one, two = readers(3)
    alone = cohen_kappa(one, two, range(5), weight)
    names = np.array([f"p{n}" for n in range(len(one))])
    same = cohen_kappa(one, two, range(5), weight, patient=names)
    assert width(same) == pytest.approx(width(alone), rel=1e-12)
    copied = cohen_kappa(*(np.repeat(each, 3) for each in (one, two)), range(5), weight, patient=np.repeat(names, 3))
    assert width(copied) == pytest.approx(width(alone), rel=0.01)


def test_full_agreement_counts_patients():
    label = np.tile([0, 1], 20)
    result = cohen_kappa(label, label, patient=np.arange(40) // 4)
    # Ten patients agree in ten of ten: Clopper and Pearson's lower limit is 0.025 ** (1 / 10), and chance is one half.
    assert (result.kappa.value, result.kappa.upper) == (1, 1)
    assert result.kappa.lower == pytest.approx((0.025**0.1 - 0.5) / 0.5)
    assert math.isnan(cohen_kappa([0, 1, 1], [0, 1, 0], patient=[5, 5, 5]).kappa.lower)
    with pytest.raises(ValueError, match="1 of 2 cases have no patient"):
        cohen_kappa([0, 1], [0, 1], patient=["a", ""])


def test_a_patient_for_every_case():
    with pytest.raises(ValueError, match=r"patients have shape \(2,\), but there are 3 cases"):
        cohen_kappa([1, 0, -1], [1, 1, 0], patient=["a", "b"])
    with pytest.raises(ValueError, match=r"patients have shape \(2,\), but there are 3 cases"):
        fleiss_kappa([[1, 0], [1, 1], [-1, 0]], patient=["a", "b"])
