"""A conditional random field over a grid of patches, with learned features, as layers of a network."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.networks.antialias import BlurredConv2d
from app.networks.heads import start_level
from app.networks.mean_field import gaussian_kernel, mean_field


class PatchFeatures(nn.Sequential):
    """The lower branch of figure 3 of Rozenberg et al. 2020: learned features of each patch, from the image.

    The paper does not say how they are made: here by anti-aliased convolutions with stride 2, batch normalisation and
    ReLU, and a 1x1 convolution. They start so that two patches are about 1 apart: the Gaussian kernel of features that
    are 4 apart, as He initialisation makes them, is 0.0003, and no neighbour would be heard.

    Args:
        features: channels of the result.
        halvings: how many convolutions with stride 2.
        width: channels of the first; each further one doubles them, up to 8 times.
    """

    def __init__(self, features: int, halvings: int, width: int = 16) -> None:
        channels = [1, *(width * min(8, 2**step) for step in range(halvings))]
        super().__init__()
        for inputs, outputs in pairwise(channels):
            self.append(BlurredConv2d(inputs, outputs, kernel_size=3))
            self.append(nn.BatchNorm2d(outputs))
            self.append(nn.ReLU(inplace=True))
        # Without a bias, which the differences between patches would not see.
        last = nn.Conv2d(channels[-1], features, kernel_size=1, bias=False)
        self.append(last)
        self.apply(_initialise)
        # The square of the distance is 2 F (spread^2 / 2), as half of what is normalised passes ReLU.
        start_level(last, spread=features**-0.5)


class PACCRF(nn.Module):
    """PAC-CRF over patches, and two convolutions after it.

    Source: section 3.3 of Rozenberg et al. 2020, after Su et al. 2019: pairwise potentials ``G(f_j, f_l)
    W(xi_j - xi_l)`` with a Gaussian kernel of learned features and a learned compatibility by offset. As a patch may
    show several findings, each is a variable of its own, with a sigmoid where Su et al. have a softmax over classes.
    Compatibility starts at zero and the convolutions start as no change, so that the first output is the unaries.

    Two points the paper leaves open: how many mean-field steps (5 here), and what the two convolutions "each followed
    by a rectified linear unit and batch-normalization" are added to (here they read the probabilities of the last step,
    and their output is added to its logits, as an output that ends in ReLU and normalisation is no probability). Both
    start as the identity: a unit of random weights over rare findings is often dead from the start, and stays so.

    Args:
        findings: K.
        window: side of the square of neighbours, odd.
        steps: of mean field.
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
            features: (B, F, p, q) at any resolution; brought to the grid bilinearly.

        Returns:
            (B, K, P, Q) logits, float32 or wider: sums over hundreds of neighbours want more than half precision.
        """
        unary = unary if unary.dtype == torch.float64 else unary.float()
        grid = [unary.shape[2], unary.shape[3]]
        features = functional.interpolate(features.to(unary.dtype), size=grid, mode="bilinear", align_corners=False)
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self._sharpen(unary, features)
        with torch.autocast(unary.device.type, enabled=False):
            return self._sharpen(unary, features)

    def _sharpen(self, unary: Tensor, features: Tensor) -> Tensor:
        here = mean_field(unary.contiguous(), gaussian_kernel(features), self.compatibility, self.steps)
        refined: Tensor = self.refine(torch.sigmoid(here))
        return here + refined


def _initialise(module: nn.Module) -> None:
    """He initialisation of every convolution, as it is for all others of the network."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
