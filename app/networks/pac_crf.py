"""A conditional random field over a grid of patches, with learned features, as network layers."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.contract import wide
from app.networks.antialias import BlurredConv2d
from app.networks.heads import he_initialise, start_level
from app.networks.mean_field import gaussian_kernel, mean_field


class PatchFeatures(nn.Sequential):
    """The lower branch of figure 3 of Rozenberg et al. 2020: learned features of each patch, from the image.

    The paper does not say how they are computed: here by anti-aliased convolutions with stride 2, batch normalisation
    and ReLU, and a 1x1 convolution. At the start two patches are about 1 apart: with He initialisation they would be 4
    apart, where the Gaussian kernel is 0.0003 and neighbours have no influence.

    Args:
        features: Channels of the result.
        halvings: Number of convolutions with stride 2.
        width: Channels of the first convolution; each further one doubles them, up to 8 times.

    Example:
        >>> PatchFeatures(features=8, halvings=3)(torch.rand(2, 1, 64, 64)).shape
        torch.Size([2, 8, 8, 8])
    """

    def __init__(self, features: int, halvings: int, width: int = 16) -> None:
        channels = [1, *(width * min(8, 2**step) for step in range(halvings))]
        super().__init__()
        for inputs, outputs in pairwise(channels):
            self.append(BlurredConv2d(inputs, outputs, kernel_size=3))
            self.append(nn.BatchNorm2d(outputs))
            self.append(nn.ReLU(inplace=True))
        # A bias would cancel in the differences between patches.
        last = nn.Conv2d(channels[-1], features, kernel_size=1, bias=False)
        self.append(last)
        self.apply(he_initialise)
        # The squared distance is 2 F (spread^2 / 2), because half of the normalised values pass the ReLU.
        start_level(last, spread=features**-0.5)


class PACCRF(nn.Module):
    """PAC-CRF over patches, followed by two convolutions.

    Source: section 3.3 of Rozenberg et al. 2020, after Su et al. 2019: pairwise potentials ``G(f_j, f_l)
    W(xi_j - xi_l)`` with a Gaussian kernel of learned features and a learned compatibility for each offset. A patch may
    show several findings, so each finding is a variable of its own, with a sigmoid instead of Su et al.'s softmax over
    classes. At the start the compatibility is zero and the convolutions change nothing, so the output equals the
    unaries.

    The paper leaves two points open. The number of mean-field steps is 5 here. The two convolutions "each followed by a
    rectified linear unit and batch-normalization" read the probabilities of the last step here, and their output is
    added to its logits, because the output of ReLU and normalisation is not a probability. Both convolutions start as
    the identity: with random weights a unit over rare findings is often dead from the start and stays so.

    Args:
        findings: Number of findings K.
        window: Side of the square of neighbours, odd.
        steps: Mean-field steps.

    Example:
        >>> unary = torch.randn(1, 2, 6, 6)
        >>> crf = PACCRF(findings=2, window=3)
        >>> bool(torch.equal(crf(unary, torch.rand(1, 8, 12, 12)), unary))  # at the start
        True
    """

    def __init__(self, findings: int, window: int = 19, steps: int = 5) -> None:
        super().__init__()
        if window < 1 or window % 2 == 0 or steps < 0:
            raise ValueError(f"window ({window}) must be odd and positive, steps ({steps}) not negative")
        self.steps = steps
        self.compatibility = nn.Parameter(torch.zeros(findings, findings, window, window))
        self.refine = nn.Sequential(
            nn.Conv2d(findings, findings, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(findings),
            nn.Conv2d(findings, findings, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(findings),
        )
        last: nn.Module = self.refine[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        for layer in self.refine:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.dirac_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, unary: Tensor, features: Tensor) -> Tensor:
        """Sharpen a map.

        Args:
            unary: (B, K, P, Q) logits.
            features: (B, F, p, q) at any resolution; resized to the grid bilinearly.

        Returns:
            (B, K, P, Q) logits, at least float32: sums over hundreds of neighbours need more than half precision.
        """
        unary = wide(unary)
        grid = [unary.shape[2], unary.shape[3]]
        features = functional.interpolate(features.to(unary.dtype), size=grid, mode="bilinear", align_corners=False)
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._sharpen(unary, features)
        with torch.autocast(unary.device.type, enabled=False):
            return self._sharpen(unary, features)

    def _sharpen(self, unary: Tensor, features: Tensor) -> Tensor:
        logits = mean_field(unary.contiguous(), gaussian_kernel(features), self.compatibility, self.steps)
        refinement: Tensor = self.refine(torch.sigmoid(logits))
        return logits + refinement
