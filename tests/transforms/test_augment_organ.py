"""Strong augmentation for organs: image and mask move together, the rest changes the image alone."""

import pytest
import torch

from transforms.augment_organ import AugmentOrgan


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(batch: int = 4, size: int = 64) -> torch.Tensor:
    """Two discs of unlike size off the centre, so that a mirror image differs."""
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    left = (x - 0.35) ** 2 + (y - 0.5) ** 2 < 0.04
    right = (x - 0.75) ** 2 + (y - 0.4) ** 2 < 0.01
    return (left | right).float().expand(batch, 1, size, size).contiguous()


GEOMETRY_ONLY = {"opacity": 0.0, "marks": 0.0, "processing": 0.0}


@pytest.mark.parametrize("kind", ["float", "uint8"])
def test_result_is_an_image_and_a_mask_of_the_same_shape(kind):
    mask = disc()
    image = (mask * 200).to(torch.uint8) if kind == "uint8" else mask * 0.8
    grey, moved = AugmentOrgan()(image, mask, generator())
    assert (grey.shape, moved.shape) == (image.shape, mask.shape)
    assert grey.dtype == moved.dtype == torch.float32
    for values in (grey, moved):
        assert 0 <= values.min() <= values.max() <= 1


def test_geometry_moves_image_and_mask_alike():
    # The image is the mask itself: whatever the geometry does, they stay equal, as what comes in is black in both.
    mask = disc(16)
    grey, moved = AugmentOrgan(**GEOMETRY_ONLY)(mask, mask, generator())
    torch.testing.assert_close(grey, moved)
    assert (moved - mask).abs().mean() > 0.02


def test_without_strength_only_mirror_images_are_left():
    mask = disc(16)
    grey, moved = AugmentOrgan(strength=0.0, **GEOMETRY_ONLY)(mask, mask, generator())
    mirrored = [bool(torch.allclose(each, mask[0].flip(-1), atol=1e-4)) for each in moved]
    same = [bool(torch.allclose(each, mask[0], atol=1e-4)) for each in moved]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 0 < sum(mirrored) < 16
    torch.testing.assert_close(grey, moved)


@pytest.mark.parametrize(
    "setting",
    [{"opacity": 1.0}, {"marks": 1.0}, {"processing": 1.0}],
    ids=["opacity", "marks", "processing"],
)
def test_all_but_geometry_changes_the_image_and_leaves_the_mask(setting):
    mask = disc(8)
    image = 0.3 + 0.4 * torch.rand(8, 1, 64, 64, generator=generator(1))
    still = AugmentOrgan(strength=0.0, **GEOMETRY_ONLY)
    varied = AugmentOrgan(strength=0.0, **(GEOMETRY_ONLY | setting))
    before, mask_before = still(image, mask, generator())
    after, mask_after = varied(image, mask, generator())
    torch.testing.assert_close(mask_after, mask_before)
    assert ((after - before).abs().amax(dim=(1, 2, 3)) > 0.01).sum() >= 4


def test_opacities_lie_in_the_organ_and_make_it_denser():
    # Dark lungs in a bright body: opacities only ever add density, most of it inside.
    mask = disc(16)
    image = 0.7 - 0.5 * mask
    varied = AugmentOrgan(strength=0.0, opacity=1.0, marks=0.0, processing=0.0)
    grey, moved = varied(image, mask, generator())
    added = grey - (0.7 - 0.5 * moved)
    assert added.min() > -1e-5
    assert added[moved > 0.5].mean() > 3 * added[moved < 0.5].mean()


def test_an_organ_that_is_not_there_gets_no_opacity():
    image, mask = torch.rand(4, 1, 64, 64, generator=generator(1)), torch.zeros(4, 1, 64, 64)
    with_them = AugmentOrgan(opacity=1.0, marks=0.0)(image, mask, generator())[0]
    without = AugmentOrgan(opacity=0.0, marks=0.0)(image, mask, generator())[0]
    torch.testing.assert_close(with_them, without)


def test_the_generator_decides_everything_and_the_input_stays():
    mask = disc()
    image = mask * 0.8
    kept = image.clone()
    first, again = (AugmentOrgan()(image, mask, generator(3)) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first[0], AugmentOrgan()(image, mask, generator(4))[0])
    torch.testing.assert_close(image, kept, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"strength": -1}, "strength is -1, but must be from 0 to 2"),
        ({"opacity": 1.5}, "opacity is 1.5, but must be from 0 to 1"),
        ({"marks": 2}, "marks is 2, but must be from 0 to 1"),
        ({"processing": 3}, "processing is 3, but must be from 0 to 2"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        AugmentOrgan(**setting)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"image and mask must have .*, not \(2, 1, 8, 8\) and \(2, 1, 4, 4\)"):
        AugmentOrgan()(torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 4), generator())
