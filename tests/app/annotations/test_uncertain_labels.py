"""Policies for uncertain labels: what each makes of -1, and that nothing else changes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.annotations.uncertain_labels import POLICIES, counted, settled
from app.contract import Prediction, Target
from app.losses import KnownLabelBCELoss
from evaluation.predictions import PredictionTable, write_predictions

FINDINGS = ("Edema", "Effusion")
LABELS = [(1, -1), (-1, 0), (-2, -1), (0.25, 1), (-1, -2)]


def samples(labels: list[tuple[float, float]] = LABELS) -> list[dict[str, Any]]:
    return [
        {"name": f"{number}.png", "label": np.array(label, dtype=np.float32)} for number, label in enumerate(labels)
    ]


def labels(found: Sequence[dict[str, Any]]) -> np.ndarray:
    return np.stack([sample["label"] for sample in found])


def predictions(path: Path, score: list[list[float]]) -> Path:
    names = np.array([f"{number}.png" for number in range(len(score))])
    table = PredictionTable(FINDINGS, names, names, np.zeros((len(score), 2)), np.array(score), {})
    write_predictions(path, table)
    return path


# By hand: -1 becomes what the policy's name says; 1, 0, certainties and -2 stay.
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("ignore", [(1, -1), (-1, 0), (-2, -1), (0.25, 1), (-1, -2)]),
        ("zeros", [(1, 0), (0, 0), (-2, 0), (0.25, 1), (0, -2)]),
        ("ones", [(1, 1), (1, 0), (-2, 1), (0.25, 1), (1, -2)]),
        ({"Edema": "ones"}, [(1, -1), (1, 0), (-2, -1), (0.25, 1), (1, -2)]),
        ({"Edema": "ones", "Effusion": "zeros"}, [(1, 0), (1, 0), (-2, 0), (0.25, 1), (1, -2)]),
    ],
)
def test_policies_change_uncertain_labels_alone(policy: Any, expected: list[tuple[float, float]]) -> None:
    given = samples()
    assert labels(settled(given, FINDINGS, policy)).tolist() == [list(row) for row in expected]
    # What was given is not changed.
    assert labels(given).tolist() == [list(row) for row in LABELS]


@pytest.mark.parametrize(("policy", "low", "high"), [("smoothed_zeros", 0, 0.3), ("smoothed_ones", 0.55, 0.85)])
def test_smoothing_draws_evenly_from_the_papers_range(policy: str, low: float, high: float) -> None:
    many = samples([(-1, -2)] * 2000)
    drawn = labels(settled(many, FINDINGS, policy, seed=3))
    assert drawn[:, 0].min() >= low
    assert drawn[:, 0].max() <= high
    # The mean of 2,000 even draws lies within four of its standard errors of the middle.
    assert abs(drawn[:, 0].mean() - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * 2000)
    assert (drawn[:, 1] == -2).all()
    assert np.array_equal(drawn, labels(settled(many, FINDINGS, policy, seed=3)))
    assert not np.array_equal(drawn, labels(settled(many, FINDINGS, policy, seed=4)))


def test_one_findings_policy_leaves_the_draws_of_another_alone() -> None:
    many = samples([(-1, -1)] * 5)
    both = labels(settled(many, FINDINGS, "smoothed_ones"))
    one = labels(settled(many, FINDINGS, {"Edema": "ignore", "Effusion": "smoothed_ones"}))
    assert np.array_equal(one[:, 1], both[:, 1])


def test_self_training_takes_the_teachers_probabilities(tmp_path: Path) -> None:
    path = predictions(tmp_path / "predictions.csv", [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8], [0.9, 0.05]])
    found = labels(settled(samples(), FINDINGS, "self_trained", path))
    np.testing.assert_allclose(found, [(1, 0.2), (0.3, 0), (-2, 0.6), (0.25, 1), (0.9, -2)], rtol=1e-6)


def test_self_training_needs_a_prediction_of_every_doubtful_image(tmp_path: Path) -> None:
    path = predictions(tmp_path / "predictions.csv", [[0.1, 0.2]])
    with pytest.raises(ValueError, match=r"no prediction for 1\.png, which has an uncertain label"):
        settled(samples(), FINDINGS, "self_trained", path)
    # An image without doubt needs none.
    assert labels(settled(samples([(1, -1), (1, 0)]), FINDINGS, "self_trained", path))[1].tolist() == [1, 0]
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv: no such predictions"):
        settled(samples(), FINDINGS, "self_trained", tmp_path / "nothing.csv")
    with pytest.raises(ValueError, match="belong together"):
        settled(samples(), FINDINGS, "self_trained")
    with pytest.raises(ValueError, match="belong together"):
        settled(samples(), FINDINGS, "zeros", path)


def test_unknown_policies_and_findings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'zero': must be one of ignore, zeros.* Did you mean 'zeros'\?"):
        settled(samples(), FINDINGS, "zero")
    with pytest.raises(ValueError, match="unknown finding 'Oedema'"):
        settled(samples(), FINDINGS, {"Oedema": "ones"})


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "self_trained"])
def test_no_gradient_from_what_stays_unknown(policy: str) -> None:
    label = torch.from_numpy(labels(settled(samples(), FINDINGS, policy)))
    score = torch.zeros(len(label), 2, requires_grad=True)
    nothing = torch.zeros(len(label), 2, 1, 1)
    KnownLabelBCELoss()(Prediction(score, nothing), Target(label, nothing, nothing[..., 0, 0].bool())).backward()
    # -2 never teaches; -1 teaches exactly where the policy gave it a value.
    assert torch.equal(score.grad != 0, label >= 0)


def test_certainties_are_decided_for_evaluation() -> None:
    # By hand, as NEATX decided: above one half present, below absent, one half nobody knows.
    found = labels(counted(samples([(0.25, 0.75), (0.5, 1), (-1, 0), (-2, 0)])))
    assert found.tolist() == [[0, 1], [-1, 1], [-1, 0], [-2, 0]]


@pytest.mark.parametrize("of", [lambda each: settled(each, ["N"], "ones"), counted], ids=["settled", "counted"])
def test_samples_are_made_when_they_are_asked_for(
    of: Callable[[Sequence[dict[str, Any]]], Sequence[dict[str, Any]]],
) -> None:
    given = [{"name": f"{n}.png", "label": np.array([label])} for n, label in enumerate((-1.0, 1.0, -2.0))]
    samples = of(given)
    assert samples[0] is not samples[0]  # so that none is held in memory
    assert [(each["name"], each["label"].tolist()) for each in samples[1:]] == [("1.png", [1.0]), ("2.png", [-2.0])]
    assert samples[-1]["name"] == "2.png"
    assert len(samples) == 3
