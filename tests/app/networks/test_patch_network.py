"""The patch network: its backbone against timm's, its two stages, anti-aliasing measured, its scores."""

import pytest
import timm
import torch

from app.networks.antialias import BlurDownsample, BlurredConv2d
from app.networks.heads import he_initialise
from app.networks.mean_field import gaussian_kernel
from app.networks.pac_crf import PACCRF, PatchFeatures
from app.networks.patch_network import PatchNetwork
from app.networks.patch_thresholds import PatchCountPooling, PatchThresholds
from app.networks.preactivation_resnet import PreactivationResNet


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def small(blur: int = 3, findings: int = 2, has_crf: bool = True) -> PatchNetwork:
    crf = PACCRF(findings, window=5, steps=2) if has_crf else None
    features = PatchFeatures(3, halvings=3, width=4) if has_crf else None
    backbone = PreactivationResNet((1, 1, 1), width=4, blur=blur)
    return PatchNetwork(backbone, findings, 6, PatchCountPooling(PatchThresholds(findings)), crf, features)


def image(batch: int = 2, side: int = 64) -> torch.Tensor:
    return torch.rand(batch, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_features_without_blur_are_those_of_timm():
    # Oracle: timm's resnetv2_50, random weights, running statistics moved off their start by one pass.
    other = timm.create_model("resnetv2_50", pretrained=False, in_chans=1, num_classes=0, global_pool="")
    other.train()(image(side=96))
    own = PreactivationResNet(blur=1)
    own.load_state_dict(other.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(own.eval()(image(1, 97)), other.eval()(image(1, 97)), atol=1e-5, rtol=1e-5)


def test_weights_fit_with_blur_and_without():
    assert PreactivationResNet(blur=3).state_dict().keys() == PreactivationResNet(blur=1).state_dict().keys()


@pytest.mark.parametrize("blur", [1, 3])
@pytest.mark.parametrize("side", [64, 70, 97])
def test_features_are_a_sixteenth_rounded_up(blur, side):
    features = PreactivationResNet((1, 1, 1), width=4, blur=blur).eval()(image(1, side))
    assert features.shape == (1, 64, -(-side // 16), -(-side // 16))


def test_nothing_leaves_pixels_out_without_a_blur():
    # Zhang 2019: before every downsampling; the ResNet-50 has five: stem, pooling, three stages and their shortcuts.
    halving = [m for m in PreactivationResNet().modules() if getattr(m, "stride", 1) not in (1, (1, 1))]
    assert [(type(m), m.filter.shape[-1]) for m in halving] == [(BlurredConv2d, 3)]
    blurs = [m for m in PreactivationResNet().modules() if isinstance(m, BlurDownsample)]
    assert [m.kernel.shape[-1] for m in blurs] == [3] * (1 + 2 * 3)


def through_stages(network: PreactivationResNet, pixels: torch.Tensor) -> list[torch.Tensor]:
    features = [network.pool(network.stem(pixels))]
    for stage in network.stages:
        features.append(stage(features[-1]))
    return features


def test_a_shift_by_a_pixel_moves_the_features_of_every_stage_of_resnet_50_less_with_blur():
    # Random weights, the same in both, batch statistics. Seen at 225 pixels: 0.8, 0.7, 0.7, 0.8, 0.8 as much as
    # without. Random layers tear apart whatever differs, so that the deepest features differ by their own spread.
    torch.manual_seed(0)
    plain, blurred = (PreactivationResNet(blur=b).train() for b in (1, 3))
    plain.apply(he_initialise)
    blurred.load_state_dict(plain.state_dict())
    noise = torch.rand(2, 1, 162, 162, generator=torch.Generator().manual_seed(0))
    pixels = torch.nn.functional.avg_pool2d(noise, 15, stride=1, padding=7)
    pixels = 2 * (pixels - pixels.min()) / (pixels.max() - pixels.min()) - 1
    moves = []
    with torch.no_grad():
        for network in (blurred, plain):
            pairs = zip(
                through_stages(network, pixels[..., 1:, 1:]),
                through_stages(network, pixels[..., :-1, :-1]),
                strict=True,
            )
            moves.append([float((one - two).square().mean().sqrt() / one.std()) for one, two in pairs])
    assert max(with_blur / without for with_blur, without in zip(*moves, strict=True)) < 0.95


def moved(network: PatchNetwork, pixels: torch.Tensor) -> float:
    """By how much of its own spread the map of probabilities changes when the image is shifted by one pixel."""
    with torch.no_grad():
        first = torch.sigmoid(network(pixels[..., 1:, 1:]).map)
        second = torch.sigmoid(network(pixels[..., :-1, :-1]).map)
    return float((first - second).square().mean().sqrt() / first.std())


def test_a_shift_by_a_pixel_moves_the_map_less_with_blur():
    # The same weights in both, batch statistics in place of trained ones; three networks. Seen: 0.44, 0.44, 0.49.
    ratios = []
    for seed in range(3):
        torch.manual_seed(seed)
        plain, blurred = (PatchNetwork(PreactivationResNet((1, 1, 1), width=16, blur=b), 2, 12) for b in (1, 3))
        blurred.load_state_dict(plain.state_dict())
        noise = torch.rand(4, 1, 193, 193, generator=torch.Generator().manual_seed(seed))
        pixels = torch.nn.functional.avg_pool2d(noise, 15, stride=1, padding=7)
        pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
        ratios.append(moved(blurred.train(), pixels) / moved(plain.train(), pixels))
    assert max(ratios) < 0.6


def test_the_map_is_the_grid_and_starts_rare():
    network = small().eval()
    prediction = network(image())
    assert prediction.map.shape == (2, 2, 6, 6)
    assert prediction.score.shape == (2, 2)
    network.head[-1].weight.data.zero_()
    # Tau-hat is 4, of 36 patches: their expected number is just that.
    torch.testing.assert_close(torch.sigmoid(network(image()).map), torch.full((2, 2, 6, 6), 4 / 36))


def test_score_counts_patches():
    # Logits 0: 16 patches of 1/2 each, less tau-hat of 3 and 5.
    pooling = PatchCountPooling(PatchThresholds(2, tau_hat=[3, 5]))
    assert pooling(torch.zeros(1, 2, 4, 4)).tolist() == [[5, 3]]
    assert pooling(torch.full((1, 2, 20, 20), -100.0, dtype=torch.float16)).tolist() == [[-3, -5]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tau": 1.5}, "tau is"),
        ({"rho": -0.1}, "rho is"),
        ({"tau_hat": [1.0]}, "tau_hat has 1 values, but there are 2"),
    ],
    ids=["tau", "rho", "tau_hat"],
)
def test_refuses_thresholds_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        PatchThresholds(2, **settings)


def test_stage_two_starts_where_stage_one_ended():
    network = small().eval()
    first = network(image()).map
    network.set_stage(2)
    torch.testing.assert_close(network(image()).map, first)


@pytest.mark.parametrize("findings", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_every_parameter_of_the_crf_learns_from_rare_findings(findings, seed):
    # Unaries as stage one leaves them: far below zero but in one place. No weight decay, which moves what has no
    # gradient; after some steps every single tensor has a gradient.
    torch.manual_seed(seed)
    crf, features = PACCRF(findings, window=5), PatchFeatures(8, halvings=3)
    unary = torch.randn(4, findings, 8, 8) - 5
    unary[:, :, 2:4, 2:5] += 6
    wanted = torch.zeros(4, findings, 8, 8)
    wanted[:, :, 1:5, 2:6] = 1
    smooth = torch.nn.functional.interpolate(torch.rand(4, 1, 8, 8) * 2 - 1, size=64, mode="bilinear")
    parameters = {**dict(crf.named_parameters()), **dict(features.named_parameters())}
    optimizer = torch.optim.Adam(parameters.values(), 1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(crf(unary, features(smooth)), wanted)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    idle = {name for name, p in parameters.items() if p.grad is None or p.grad.abs().max() < 1e-9}
    # A shift of the first convolution is taken off by the batch normalisation behind it as long as no unit is off.
    assert idle <= {"refine.0.bias"}
    assert losses[-1] < 0.9 * losses[0]


def test_neighbours_are_heard_at_the_start():
    # Distances of about 1 between the features of two patches: exp(-1/2) is 0.61. At 4 it would be 0.0003.
    for halvings, side in ((3, 192), (5, 320)):
        smooth = torch.nn.functional.interpolate(torch.rand(2, 1, 12, 12) * 2 - 1, size=side, mode="bilinear")
        features = PatchFeatures(8, halvings)(smooth)
        kernel = gaussian_kernel(features)
        assert 0.3 < kernel.mean().item() < 0.9


def trained(network: PatchNetwork) -> set[str]:
    """Parts whose parameters get a gradient."""
    network.zero_grad(set_to_none=True)
    network.train()(image()).map.square().mean().backward()
    return {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}


def test_each_stage_trains_its_own_parts():
    network = small()
    assert trained(network) == {"backbone", "head"}
    network.set_stage(2)
    network.crf.compatibility.data.normal_(std=0.1)
    assert trained(network) == {"crf", "features"}
    assert all(p.grad is not None for part in (network.crf, network.features) for p in part.parameters())
    network.set_stage(1)
    assert trained(network) == {"backbone", "head"}


def test_frozen_statistics_stay_in_stage_two():
    network = small()
    network.set_stage(2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()(image())
    changed = {n.split(".")[0] for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {"crf", "features"}


def test_the_stage_is_saved_with_the_weights():
    network, other = small(), small()
    network.set_stage(2)
    other.load_state_dict(network.state_dict())
    assert other.stage == 2
    assert not any(p.requires_grad for p in other.backbone.parameters())
    other.load_state_dict(small().state_dict())
    assert other.stage == 1


def test_a_network_without_crf_has_one_stage():
    network = small(has_crf=False)
    assert network(image()).map.shape == (2, 2, 6, 6)
    with pytest.raises(ValueError, match="stage 2: must be 1"):
        network.set_stage(2)
    with pytest.raises(ValueError, match="give both or neither"):
        PatchNetwork(PreactivationResNet((1,), 4), 1, 4, crf=PACCRF(1, 3))


@pytest.mark.parametrize("stage", [1, 2])
def test_scripted_network_says_the_same(stage):
    network = small()
    network.set_stage(stage)
    network.crf.compatibility.data.normal_(std=0.1)
    network.eval()
    scripted = torch.jit.script(network)(image())
    torch.testing.assert_close(scripted.map, network(image()).map)
    torch.testing.assert_close(scripted.score, network(image()).score)


def test_autocast_leaves_the_crf_in_float32():
    network = small()
    network.set_stage(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = network(image())
    assert prediction.map.dtype == torch.float32
    prediction.map.sum().backward()
    assert bool(network.crf.compatibility.grad.isfinite().all())


@pytest.mark.parametrize("wrong", [{"window": 4}, {"window": 0}, {"steps": -1}], ids=str)
def test_crf_refuses(wrong):
    with pytest.raises(ValueError, match="must be odd and positive"):
        PACCRF(2, **wrong)


@pytest.mark.parametrize("stage", [1, 2])
def test_channels_last_changes_nothing(stage):
    # The order of memory that training uses.
    gradients, maps = [], []
    for order in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        network = small()
        network.set_stage(stage)
        network.crf.compatibility.data.normal_(std=0.1)
        network.to(memory_format=order).train()
        here = network(image().contiguous(memory_format=order)).map
        here.square().sum().backward()
        maps.append(here.detach())
        gradients.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    torch.testing.assert_close(maps[1], maps[0], atol=1e-4, rtol=1e-4)
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-2, rtol=1e-3, msg=name)
