"""What draws of the learning curves say of differences between plans."""

import numpy as np
import pytest
from scipy.special import logit

from app.planning.learning_curves import FORMS, Curves
from app.planning.posterior import AUC_PRIOR, DRAWS, Posterior


def test_the_truth_s_distance_from_the_curves_differs_by_level():
    sizes = np.array([[250.0, 0], [1000, 0], [0, 250], [0, 1000]])
    posterior = Posterior(Curves(2, 500.0), sizes, np.array([0.3, 0.6, 0.3, 0.6]), np.full(4, 0.02), AUC_PRIOR)
    # Curves known for certain, by which images of both levels are worth the same: what is left is the distance.
    posterior.parameters = {form: np.zeros((DRAWS, 6)) for form in FORMS}
    plans = np.array([[800.0, 0], [0, 800], [400, 400], [320, 480]])
    away = logit(posterior.quality(plans)).reshape(len(FORMS), DRAWS, len(plans))
    away = (away - away.mean(1, keepdims=True)).reshape(-1, len(plans))
    assert away.std(0) == pytest.approx(AUC_PRIOR.misfit, rel=0.06)  # three standard errors of 1,600 draws
    # Cosines by hand: of (1, 0) and (0, 1); of (1, 0) and (1, 1); of (1, 1) and (2, 3).
    cosine = np.corrcoef(away.T)
    assert cosine[[0, 0, 2], [1, 2, 3]] == pytest.approx([0, 2**-0.5, 5 / 26**0.5], abs=0.075)
