"""Views of a study, by hand."""

import numpy as np
import pytest

from evaluation.studies import group_by_study

STUDY = ["s2", "s1", "s2", "s3"]
SCORE = np.array([[0.1, 0.9], [0.5, 0.5], [0.3, 0.4], [0.7, 0.0]])


def test_maximum_over_views():
    studies = group_by_study(STUDY)
    assert studies.name.tolist() == ["s1", "s2", "s3"]
    assert studies.first.tolist() == [1, 0, 3]
    np.testing.assert_allclose(studies.maximum(SCORE), [[0.5, 0.5], [0.3, 0.9], [0.7, 0]])


def test_labels_of_studies():
    studies = group_by_study(["a", "a", "b", "b", "c", "c", "d", "d"])
    label = np.array([[1, 0, 0, -1, -1, -2, np.nan, np.nan]]).T
    np.testing.assert_array_equal(studies.label(label), [[1], [0], [-1], [np.nan]])


def test_numbered_studies_agree_with_a_loop():
    random = np.random.default_rng(0)
    study, score = random.integers(0, 50, 300), random.random((300, 3))
    studies = group_by_study(study)
    for k, name in enumerate(studies.name):
        np.testing.assert_array_equal(studies.maximum(score)[k], score[study == name].max(axis=0))
        assert studies.first[k] == np.flatnonzero(study == name)[0]


def test_no_image():
    assert group_by_study([]).maximum(np.zeros((0, 2))).shape == (0, 2)


def test_images_must_be_those_that_were_grouped():
    with pytest.raises(ValueError, match="2 images do not fit the 4 that were grouped"):
        group_by_study(STUDY).maximum(np.zeros((2, 1)))
