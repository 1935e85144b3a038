"""Grad-CAM: a map for networks that have none of their own, or in place of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer
from app.engines.processes import bare


class GradCAMInferer(Inferer):
    """Calls a network and replaces its map by Grad-CAM of one of its layers; scores are the network's own.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    equations 1 and 2: the features A of a layer, each channel weighted by its mean gradient of the finding's score,
    summed, and negative values set to zero. For the last features of a network that ends in average pooling and one
    linear layer, this is the class activation map of Zhou et al. 2016 without its bias, divided by the number of cells.
    Unlike MONAI's ``GradCAM``, it calls the network once for all findings, and allows layers that work in place.

    For an evaluator that reads activation maps, as values are not logits and can only be compared within an image and
    finding. Costs one backward pass per finding through the layers behind, and no gradients of weights.

    Args:
        layer: Name of a module in the network, such as ``layer4`` or ``features.norm5``, with output (B, K, h, w).
        inferer: Calls the network.

    Raises:
        ValueError: At the first call: the network has no such layer, or the layer no such output.

    Example:
        >>> class Network(nn.Conv2d):
        ...     def forward(self, image):
        ...         return Prediction(score=self.features(image).mean(dim=(2, 3)), map=image)
        >>> network = Network(1, 3, kernel_size=1)
        >>> network.features = nn.Conv2d(1, 3, kernel_size=2, stride=2)
        >>> inferer = GradCAMInferer("features", MixedPrecisionInferer("float32", torch.device("cpu")))
        >>> inferer(torch.rand(2, 1, 8, 8), network.eval()).map.shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(self, layer: str, inferer: MixedPrecisionInferer) -> None:
        super().__init__()
        self.layer = layer
        self.inferer = inferer
        self.device = inferer.device

    def __call__(self, inputs: Tensor, network: nn.Module) -> Prediction:
        """(B, 1, H, W) image to scores (B, C) and Grad-CAM maps (B, C, h, w), float32, 0 or more.

        Raises:
            RuntimeError: The network is in training mode, in which the images of a batch affect each other's scores.
        """
        if network.training:
            raise RuntimeError("Grad-CAM needs a network in evaluation mode: call network.eval()")
        # Evaluation runs without gradients, perhaps in inference mode.
        with torch.inference_mode(False), torch.enable_grad(), _watched(bare(network), self.layer) as outputs:
            score = self.inferer(inputs.clone(), network).score
            if not outputs:
                raise ValueError(f"Grad-CAM: the network never called its layer {self.layer!r}")
            maps = torch.stack([grad_cam(outputs[-1], score[:, c]) for c in range(score.shape[1])], dim=1)
        return Prediction(score=score.detach(), map=maps)


def grad_cam(features: Tensor, score: Tensor) -> Tensor:
    """Grad-CAM of one finding.

    Args:
        features: (B, K, h, w), from which ``score`` was computed.
        score: (B,); that of an image follows from that image's features alone.

    Returns:
        (B, h, w) float32, 0 or more; 0 everywhere if the score does not follow from the features.

    Example:
        >>> features = torch.tensor([[[[3.0, 1.0]], [[1.0, 1.0]]]], requires_grad=True)
        >>> grad_cam(features, features[:, 0].sum(dim=(1, 2)) - 2 * features[:, 1].sum(dim=(1, 2)))
        tensor([[[1., 0.]]])
    """
    (gradient,) = torch.autograd.grad(score.sum(), features, retain_graph=True, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(features[:, 0], dtype=torch.float32)
    weight = gradient.float().mean(dim=(2, 3), keepdim=True)
    return torch.relu((weight * features.detach().float()).sum(dim=1))


@contextmanager
def _watched(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Collect the outputs of a layer, each the start of the graph of gradients."""
    modules = dict(network.named_modules())
    if not layer or layer not in modules:
        names = ", ".join(name for name, _ in network.named_children())
        raise ValueError(f"Grad-CAM: the network has no layer {layer!r}; its outermost are {names}")
    outputs: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ValueError(f"Grad-CAM: layer {layer!r} does not give features (B, K, h, w)")
        # Detached, as no gradient is needed of what comes before the layer.
        outputs.append(output.detach().requires_grad_())
        # A copy, as later layers may work in place, which a leaf does not allow.
        return outputs[-1].clone()

    handle = modules[layer].register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()
