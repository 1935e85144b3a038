"""The forms of Rozenberg et al.: which pooling and which loss belong together."""

import pytest

from app.engines.patch_forms import FORMS, patch_loss, patch_pooling
from app.losses import MultipleInstanceLoss, RelaxedThresholdLoss, SigmoidThresholdLoss
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.pooling import NoisyOrPooling

LOSSES = {"li": MultipleInstanceLoss, "sigmoid": SigmoidThresholdLoss, "relaxed": RelaxedThresholdLoss}


@pytest.mark.parametrize("form", FORMS)
def test_pooling_and_loss_share_their_thresholds(form: str):
    thresholds = PatchThresholds(findings=1)
    pooling, loss = patch_pooling(form, thresholds), patch_loss(form, thresholds, 3.0, [[1], [0], [0]])
    assert type(loss) is LOSSES[form]
    assert loss.annotated_weight == 3
    if form == "li":
        assert isinstance(pooling, NoisyOrPooling)
    else:
        assert isinstance(pooling, PatchCountPooling)
        assert pooling.thresholds is loss.thresholds is thresholds


def test_a_form_that_there_is_not_is_named():
    thresholds = PatchThresholds(findings=1)
    with pytest.raises(ValueError, match="form is one of li, sigmoid, relaxed, not 'strict'"):
        patch_pooling("strict", thresholds)
    with pytest.raises(ValueError, match="not 'strict'"):
        patch_loss("strict", thresholds, 1.0, [[1]])
