"""Logits, their probabilities and the logit of a mean probability."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import expit

from evaluation.logits import logit_of, logit_of_mean, probability


def test_probabilities_are_those_of_scipy():
    logit = np.linspace(-700, 700, 3201).reshape(3, -1)
    np.testing.assert_allclose(probability(logit), expit(logit), rtol=1e-14)
    assert probability([-np.inf, 0, np.inf]).tolist() == [0, 0.5, 1]
    assert probability(np.float32(0)).shape == ()


def test_a_probability_does_not_depend_on_its_neighbours():
    logit = np.random.default_rng(0).normal(0, 8, (37, 5)).astype(np.float32)
    whole = probability(logit)
    for cut in (logit[:1], logit[3:4, 1:3], logit[::2], logit.T[2:3]):
        alone = np.array([[float(probability(value)) for value in row] for row in cut])
        np.testing.assert_array_equal(probability(cut), alone)
    np.testing.assert_array_equal(probability(logit[:, 2]), whole[:, 2])


def test_the_way_back():
    assert logit_of([0.0, 0.5, 1.0]).tolist() == [-np.inf, 0, np.inf]
    logit = np.linspace(-30, 15, 100)
    np.testing.assert_allclose(logit_of(probability(logit)), logit, rtol=1e-9, atol=1e-12)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]"):
            logit_of([0.5, wrong])


def test_the_mean_is_that_of_probabilities():
    logit = np.random.default_rng(1).normal(0, 3, (4, 50, 2))
    np.testing.assert_allclose(probability(logit_of_mean(logit)), expit(logit).mean(axis=0), rtol=1e-13)


@pytest.mark.parametrize("members", [(40, 41), (60, 90, 61), (-50, -55), (300, 200)])
def test_the_mean_of_what_rounds_to_one_is_exact(members):
    # In fractions of e^-|x| no probability rounds: present = sum 1 / (1 + t), absent = sum t / (1 + t) for t = e^-x.
    t = [Fraction(math.exp(-abs(x))) for x in members]
    sure, unsure = sum(1 / (1 + each) for each in t), sum(each / (1 + each) for each in t)
    logit = math.log(sure) - math.log(unsure)
    assert logit_of_mean(members) == pytest.approx(math.copysign(logit, members[0]), rel=1e-12)


def test_sure_members_still_rank():
    # Probabilities of 40, 41, ... are all 1 in float64.
    logit = np.stack([np.arange(40.0, 60), np.arange(45.0, 65)])
    assert (np.diff(logit_of_mean(logit)) > 0).all()
    assert logit_of_mean([[np.inf, -np.inf, np.inf], [np.inf, -np.inf, -np.inf]]).tolist() == [np.inf, -np.inf, 0]
