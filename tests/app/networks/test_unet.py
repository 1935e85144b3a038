"""The U-Net for outlines of organs: what it takes, what it gives, and that MONAI's tools can export it."""

import pytest
import torch

from app.networks.unet import UNet


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(0)
    return UNet().eval()


@pytest.mark.parametrize(
    ("batch", "height", "width"), [(2, 64, 64), (1, 128, 96), (1, 100, 68)], ids=["least", "oblong", "odd halvings"]
)
def test_map_is_on_the_image_grid_and_score_is_its_maximum(network, batch, height, width):
    prediction = network(torch.rand(batch, 1, height, width))
    assert prediction.map.shape == (batch, 1, height, width)
    assert torch.equal(prediction.score, prediction.map.flatten(2).amax(dim=2))


def test_one_channel_a_finding():
    assert UNet(findings=3)(torch.rand(2, 1, 64, 64)).map.shape == (2, 3, 64, 64)


def test_brightness_and_contrast_do_not_matter(network):
    # Standardised: any affine map of the grey values leaves the prediction as it is, up to the norm's epsilon of 1e-5.
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(network(0.5 * image + 0.3).map, network(image).map, atol=1e-2, rtol=0)


def test_a_constant_image_gives_finite_values(network):
    assert bool(network(torch.full((1, 1, 64, 64), 0.5)).map.isfinite().all())


@pytest.mark.parametrize(("height", "width"), [(66, 64), (64, 65), (60, 128)])
def test_refuses_sizes_that_do_not_fold(network, height, width):
    with pytest.raises(ValueError, match=rf"image is {height} x {width}, but both sides must be multiples of 4"):
        network(torch.rand(1, 1, height, width))


def test_scripted_network_says_the_same(network):
    image = torch.rand(2, 1, 64, 64)
    scripted = torch.jit.script(network)(image)
    torch.testing.assert_close(scripted.map, network(image).map)
    torch.testing.assert_close(scripted.score, network(image).score)


def test_weights_fit_in_two_megabytes(network):
    # 2 MB are shipped at most; float32 takes four bytes, and each tensor some for its name.
    assert 4 * sum(value.numel() for value in network.state_dict().values()) < 1_950_000


def test_gradient_reaches_every_parameter():
    network = UNet()
    network(torch.rand(2, 1, 64, 64)).map.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
