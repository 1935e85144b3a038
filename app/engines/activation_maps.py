"""Grad-CAM: a map for networks that have none of their own, or whose own is not wanted."""

from __future__ import annotations

import torch
from monai.inferers import Inferer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from app.contract import Prediction
from app.engines.device import MixedPrecisionInferer


class GradCAMInferer(Inferer):
    """Call a network and put Grad-CAM of one of its layers in place of its map; scores are the network's own.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    equations 1 and 2: the features A of a layer, each channel weighed by its mean gradient of the finding's score,
    summed, and what is negative cut off. On a network that ends in average pooling and one linear layer, and for its
    last features, that is the class activation map of Zhou et al. 2016 without its bias, over the number of places.

    For an evaluator, in place of its inferer, together with ``activation_maps: true``: values are no logits, and mean
    something only beside others of the same image and finding. Costs one backward pass a finding through what follows
    the layer, and no gradient of the network's weights.

    Args:
        layer: name of a module within the network, such as ``layer4`` or ``features.norm5``; gives (B, K, h, w).
        inferer: calls the network.

    Raises:
        ValueError: at the first call, where the network has no such layer, or the layer no such output.
    """

    def __init__(self, layer: str, inferer: MixedPrecisionInferer) -> None:
        super().__init__()
        self.layer = layer
        self.inferer = inferer

    def __call__(self, inputs: Tensor, network: nn.Module) -> Prediction:
        """(B, 1, H, W) image to scores (B, C) and Grad-CAM maps (B, C, h, w), float32, 0 or more.

        Raises:
            RuntimeError: the network is in training mode, in which the images of a batch change each other's scores.
        """
        if network.training:
            raise RuntimeError("Grad-CAM wants a network in evaluation mode: call network.eval()")
        # Evaluation runs without gradients, and an evaluator may have been asked for less than that.
        with torch.inference_mode(False), torch.enable_grad(), _Watched(network, self.layer) as watched:
            score = self.inferer(inputs.clone(), network).score
            maps = torch.stack([grad_cam(watched.features, score[:, c]) for c in range(score.shape[1])], dim=1)
        return Prediction(score=score.detach(), map=maps)


def grad_cam(features: Tensor, score: Tensor) -> Tensor:
    """Grad-CAM of one finding.

    Args:
        features: (B, K, h, w), which ``score`` was computed from.
        score: (B,); that of an image follows from that image's features alone.

    Returns:
        (B, h, w) float32, 0 or more; 0 everywhere where the score does not follow from the features.
    """
    (gradient,) = torch.autograd.grad(score.sum(), features, retain_graph=True, allow_unused=True)
    if gradient is None:
        return torch.zeros_like(features[:, 0], dtype=torch.float32)
    weight = gradient.float().mean(dim=(2, 3), keepdim=True)
    return torch.relu((weight * features.detach().float()).sum(dim=1))


class _Watched:
    """Within this context, a layer's output is kept in ``features``, as the beginning of the graph of gradients."""

    def __init__(self, network: nn.Module, layer: str) -> None:
        self.layer = layer
        # Networks over several processes keep the network itself under this name.
        bare = network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network
        names = dict(bare.named_modules())
        if not layer or layer not in names:
            near = ", ".join(name for name, _ in bare.named_children())
            raise ValueError(f"Grad-CAM: the network has no layer {layer!r}; its outermost are {near}")
        self.module: nn.Module = names[layer]
        self._kept: list[Tensor] = []
        self._handle: RemovableHandle | None = None

    @property
    def features(self) -> Tensor:
        """What the layer gave in the last call (B, K, h, w)."""
        if not self._kept:
            raise ValueError(f"Grad-CAM: the network never called its layer {self.layer!r}")
        return self._kept[-1]

    def __enter__(self) -> _Watched:
        self._handle = self.module.register_forward_hook(self._keep)
        return self

    def __exit__(self, *error: object) -> None:
        if self._handle is not None:
            self._handle.remove()

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ValueError(f"Grad-CAM: layer {self.layer!r} does not give features (B, K, h, w)")
        # Nothing before the layer is needed, whether or not its weights are frozen.
        features = output.detach().requires_grad_()
        self._kept.append(features)
        # What follows may work in place, which a leaf does not allow.
        return features.clone()
