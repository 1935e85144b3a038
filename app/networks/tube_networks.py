"""Networks of the paper on tubes: published classifiers, and DenseNet-121 with pooling, dense and dropout layers."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction
from app.networks.backbones import Backbone, BackboneClassifier


class TubeDenseNet(nn.Module):
    """A backbone whose features are pooled to a small grid, pass a dense and a dropout layer, and are then flattened.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", section 3.3: "a modified
    DenseNet121 with three additional layers (pooling, dense and dropout) between the backbone architecture and the
    flattened layer". Unlike a network with global pooling it knows where a feature is. The paper gives no sizes: here
    average pooling goes to a grid of 4 x 4 whatever the image's size, the dense layer (256, ReLU) works on each cell,
    as Keras' does, and dropout is 0.5. The score is a sum over the cells, whose terms are the map: its mean over the
    cells is the score.

    Args:
        findings: how many findings C.
        architecture: see `Backbone`.
        weights: see `Backbone`.
        width: channels of the dense layer.
        grid: cells on each side after pooling.
        dropout: probability that a value is dropped, 0 up to 1.

    Raises:
        FileNotFoundError: there is no such file of weights.
        ValueError: see `Backbone`; or a count or probability that is none.
    """

    def __init__(
        self,
        findings: int = 1,
        architecture: str = "densenet121",
        weights: str | Path | None = None,
        width: int = 256,
        grid: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if min(findings, width, grid) < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"findings ({findings}), width ({width}) and grid ({grid}) must be at least 1, dropout ({dropout}) "
                "in [0, 1)"
            )
        self.backbone = Backbone(architecture, weights)
        self.findings = findings
        self.grid = grid
        self.dense = nn.Linear(self.backbone.channels, width)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width * grid * grid, findings)

    def forward(self, image: Tensor) -> Prediction:
        """Scores and a map of an image.

        Args:
            image: (B, 1, H, W) in [0, 1].

        Returns:
            score (B, C) and map (B, C, grid, grid), logits.
        """
        pooled = functional.adaptive_avg_pool2d(self.backbone(image), (self.grid, self.grid))
        cells = self.dropout(functional.relu(self.dense(pooled.permute(0, 2, 3, 1)))).flatten(1, 2)
        score = self.classifier(cells.flatten(1))
        return Prediction(score=score, map=self._map(cells))

    def _map(self, cells: Tensor) -> Tensor:
        """What each of the cells (B, grid * grid, width) adds to the scores, scaled so that their mean is the score."""
        weight = self.classifier.weight.reshape(self.findings, self.grid * self.grid, -1)
        parts = (cells.unsqueeze(1) * weight.to(cells.dtype).unsqueeze(0)).sum(dim=3)
        here = parts * float(self.grid * self.grid) + self.classifier.bias[:, None]
        return here.reshape(-1, self.findings, self.grid, self.grid)


def tube_network(
    findings: int,
    architecture: str = "densenet121",
    modified: bool = True,
    weights: str | Path | None = None,
    dropout: float = 0.5,
) -> nn.Module:
    """One of the paper's four networks: ``resnet50``, ``inception_v3``, ``densenet121``, or the last one modified.

    Args:
        findings: how many findings C.
        architecture: see `Backbone`.
        modified: with the three additional layers; else average pooling and one layer, without dropout.
        weights: see `Backbone`.
        dropout: of the modified form.
    """
    if modified:
        return TubeDenseNet(findings, architecture, weights, dropout=dropout)
    return BackboneClassifier(findings, architecture, weights)
