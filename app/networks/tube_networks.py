"""Networks of the tube detection paper: published classifiers, and DenseNet-121 with additional layers."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from app.contract import Prediction
from app.networks.backbones import Backbone, BackboneClassifier


class TubeDenseNet(nn.Module):
    """A backbone followed by pooling to a small grid, a dense layer and dropout, flattened before the output.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", section 3.3: "a modified
    DenseNet121 with three additional layers (pooling, dense and dropout) between the backbone architecture and the
    flattened layer". Unlike a network with global pooling, it knows where a feature is. The paper gives no sizes: here
    average pooling gives a grid of 4 x 4 for any image size, the dense layer (256, ReLU) is applied to each cell, as in
    Keras, and dropout is 0.5. The score is a sum over cells, whose terms make the map, so the map's mean is the score.

    Args:
        findings: Number of findings C.
        architecture: See `Backbone`.
        weights: See `Backbone`.
        width: Channels of the dense layer.
        grid: Cells on each side after pooling.
        dropout: Probability that a value is dropped, in [0, 1).

    Raises:
        FileNotFoundError: There is no such file of weights.
        ValueError: See `Backbone`; or a count or probability is out of range.

    Example:
        >>> import torch
        >>> network = TubeDenseNet(findings=4, architecture="test_resnet").eval()
        >>> prediction = network(torch.rand(1, 1, 64, 64))
        >>> prediction.map.shape, bool(torch.allclose(prediction.map.mean(dim=(2, 3)), prediction.score, atol=1e-5))
        (torch.Size([1, 4, 4, 4]), True)
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
        logits = parts * float(self.grid * self.grid) + self.classifier.bias[:, None]
        return logits.reshape(-1, self.findings, self.grid, self.grid)


def tube_network(
    findings: int,
    architecture: str = "densenet121",
    modified: bool = True,
    weights: str | Path | None = None,
    dropout: float = 0.5,
) -> nn.Module:
    """One of the paper's four networks: ``resnet50``, ``inception_v3``, ``densenet121``, or the last one modified.

    Args:
        findings: Number of findings C.
        architecture: See `Backbone`.
        modified: Use the three additional layers; otherwise average pooling and one layer without dropout.
        weights: See `Backbone`.
        dropout: Of the modified form.
    """
    if modified:
        return TubeDenseNet(findings, architecture, weights, dropout=dropout)
    return BackboneClassifier(findings, architecture, weights)
