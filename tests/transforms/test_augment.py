import cv2
import numpy as np
import pytest
import torch

from transforms.augment import AugmentBatch, _warped_together

NOTHING = {"flip": 0.0, "shift": 0.0, "scale": 0.0, "rotate": 0.0, "shear": 0.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 4, shape: tuple[int, int] = (48, 64)) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth images, and masks of a blob in the first and third of three findings."""
    noise = np.random.default_rng(0).random((count, *shape)).astype(np.float32)
    image = np.stack([cv2.GaussianBlur(plane, (0, 0), 2) for plane in noise])
    mask = torch.zeros(count, 3, *shape, dtype=torch.uint8)
    mask[:, 0, 10:30, 20:40] = 1
    mask[1:, 2, 20:40, 15:50] = 1
    return torch.from_numpy(image)[:, None], mask


def centre(plane: torch.Tensor) -> torch.Tensor:
    """Centre of mass of (H, W): row and column."""
    rows, columns = torch.meshgrid(torch.arange(plane.shape[0]), torch.arange(plane.shape[1]), indexing="ij")
    return torch.stack([(plane * rows).sum(), (plane * columns).sum()]) / plane.sum()


def test_identity_when_all_is_off():
    image, mask = batch()
    out, out_mask = AugmentBatch(**NOTHING)(image, mask, generator())
    assert torch.equal(out, image)
    assert torch.equal(out_mask, mask.float())
    assert out_mask.dtype == torch.float32


def test_whole_numbers_are_divided_by_255():
    levels = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8, generator=generator())
    out, _ = AugmentBatch(**NOTHING)(levels, torch.zeros(2, 1, 8, 8), generator())
    assert torch.equal(out, levels.float() / 255)


def test_flip_is_exact():
    image, mask = batch()
    out, out_mask = AugmentBatch(**{**NOTHING, "flip": 1.0})(image, mask, generator())
    assert torch.equal(out, image.flip(-1))
    assert torch.equal(out_mask, mask.flip(-1).float())


def test_flip_through_the_grid_is_the_same_flip():
    image, mask = batch()
    # a shift too small to see sends the batch through the grid
    out, out_mask = AugmentBatch(**{**NOTHING, "flip": 1.0, "shift": 1e-9})(image, mask, generator())
    torch.testing.assert_close(out, image.flip(-1), atol=1e-4, rtol=0)
    assert torch.equal(out_mask, mask.flip(-1).float())


def test_flip_has_its_probability():
    image = torch.zeros(4000, 1, 1, 2)
    image[..., 0] = 1
    out, _ = AugmentBatch(**{**NOTHING, "flip": 0.3})(image, torch.zeros(4000, 1, 1, 2), generator())
    # 0.3 within four standard errors of sqrt(0.3 * 0.7 / 4000) = 0.0072
    assert out[:, 0, 0, 1].mean().item() == pytest.approx(0.3, abs=0.029)


def test_same_seed_same_batch_and_input_untouched():
    image, mask = batch()
    image_before, mask_before = image.clone(), mask.clone()
    augment = AugmentBatch(contrast=0.2, brightness=0.1, gamma=0.2)
    first, first_mask = augment(image, mask, generator(3))
    second, second_mask = augment(image, mask, generator(3))
    other, _ = augment(image, mask, generator(4))
    assert torch.equal(first, second)
    assert torch.equal(first_mask, second_mask)
    assert not torch.equal(first, other)
    assert torch.equal(image, image_before)
    assert torch.equal(mask, mask_before)


def test_global_random_state_is_left_alone():
    image, mask = batch()
    state = torch.get_rng_state()
    AugmentBatch()(image, mask, generator())
    assert torch.equal(torch.get_rng_state(), state)


def test_switching_grey_values_on_leaves_the_geometry():
    image, mask = batch()
    _, plain = AugmentBatch()(image, mask, generator())
    _, jittered = AugmentBatch(contrast=0.3, gamma=0.3)(image, mask, generator())
    assert torch.equal(plain, jittered)


def test_image_and_mask_move_together():
    mask = torch.zeros(16, 2, 96, 128, dtype=torch.uint8)
    mask[:, 1, 40:60, 70:90] = 1
    augment = AugmentBatch(flip=0.5, shift=0.1, scale=0.2, rotate=30.0, shear=10.0)
    image, moved = augment(mask[:, 1:].float(), mask, generator())
    assert not moved[:, 0].any()
    for plane, drawn in zip(image[:, 0], moved[:, 1], strict=True):
        assert torch.linalg.vector_norm(centre(plane) - centre(drawn)) < 0.15
        assert torch.equal((plane >= 0.5).float(), drawn)


@pytest.mark.parametrize(
    "ranges",
    [
        {"rotate": 90.0},
        {"shift": 0.3},
        {"scale": 0.4},
        {"shear": 20.0},
        {"flip": 0.5, "shift": 0.1, "scale": 0.2, "rotate": 45.0, "shear": 15.0},
    ],
    ids=lambda ranges: "-".join(ranges),
)
def test_equals_opencv_one_by_one(ranges):
    image, mask = batch(6, (48, 80))
    given = {**NOTHING, **ranges}
    out, out_mask = AugmentBatch(**given)(image, mask, generator(1))
    draws = torch.rand(6, 9, generator=generator(1)).double().numpy()
    for index in range(6):
        matrix = forward_matrix(draws[index], given, (48, 80))
        oracle = cv2.warpAffine(image[index, 0].numpy(), matrix, (80, 48), flags=cv2.INTER_LINEAR)
        # OpenCV rounds positions to 1/32 pixel; the images change by less than 0.06 a pixel
        assert np.abs(out[index, 0].numpy() - oracle).max() < 0.02
        for channel in range(3):
            drawn = cv2.warpAffine(mask[index, channel].float().numpy(), matrix, (80, 48), flags=cv2.INTER_LINEAR)
            wrong = (drawn >= 0.5) != out_mask[index, channel].numpy()
            assert wrong.sum() <= 0.02 * max(drawn.sum(), 1)


def forward_matrix(draws: np.ndarray, ranges: dict[str, float], shape: tuple[int, int]) -> np.ndarray:
    """(2, 3) matrix from source to result in pixels, as the docstring says it: mirror, shear, scale, rotate, shift."""
    centred = draws * 2 - 1
    angle, slope = np.radians(ranges["rotate"] * centred[2]), np.tan(np.radians(ranges["shear"] * centred[3]))
    mirror = np.diag([-1.0 if draws[0] < ranges["flip"] else 1.0, 1.0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ (np.eye(2) * (1 + ranges["scale"] * centred[1])) @ np.array([[1, slope], [0, 1]]) @ mirror
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])  # OpenCV counts from the first pixel's centre
    shift = ranges["shift"] * centred[4:6] * [shape[1], shape[0]]
    return np.hstack([linear, (middle + shift - linear @ middle)[:, None]])


def test_rotation_keeps_a_circle_round_in_a_wide_image():
    rows, columns = np.mgrid[:60, :160]
    disc = torch.from_numpy((((rows - 29.5) ** 2 + (columns - 79.5) ** 2) <= 20**2).astype(np.float32))
    image = disc.expand(5, 1, 60, 160)
    out, _ = AugmentBatch(**{**NOTHING, "rotate": 90.0})(image, torch.zeros(5, 1, 60, 160), generator())
    # A disc in the middle is the same after any rotation, but for its jagged edge: 2 pi 20 pixels of 1257.
    assert (out - image).abs().sum(dim=(1, 2, 3)).max() < 2 * np.pi * 20 * 0.5


def test_what_comes_in_is_zero():
    out, out_mask = AugmentBatch(**{**NOTHING, "shift": 0.4})(
        torch.ones(8, 1, 20, 30), torch.ones(8, 1, 20, 30), generator()
    )
    draws = torch.rand(8, 9, generator=generator())[:, 4:6] * 2 - 1
    left = (1 - 0.4 * draws.abs()).prod(dim=1)  # the share that a shift leaves in the image
    torch.testing.assert_close(out.mean(dim=(1, 2, 3)), left, atol=0.03, rtol=0)
    torch.testing.assert_close(out_mask.mean(dim=(1, 2, 3)), left, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ({"brightness": 0.2}, lambda x, draw: x + 0.2 * draw[8]),
        ({"contrast": 0.4}, lambda x, draw: (x - x.mean()) * (1 + 0.4 * draw[7]) + x.mean()),
        ({"gamma": 0.5}, lambda x, draw: x ** torch.exp(0.5 * draw[6])),
    ],
    ids=["brightness", "contrast", "gamma"],
)
def test_grey_values_by_formula(ranges, expected):
    image, mask = batch()
    out, out_mask = AugmentBatch(**NOTHING, **ranges)(image, mask, generator(2))
    draws = torch.rand(4, 9, generator=generator(2)) * 2 - 1
    for index in range(4):
        torch.testing.assert_close(out[index], expected(image[index], draws[index]).clamp(0, 1), atol=1e-5, rtol=0)
    assert torch.equal(out_mask, mask.float())


def test_no_findings_and_empty_masks():
    image, _ = batch()
    out, none = AugmentBatch()(image, torch.zeros(4, 0, 48, 64), generator())
    assert none.shape == (4, 0, 48, 64)
    again, empty = AugmentBatch()(image, torch.zeros(4, 2, 48, 64), generator())
    assert not empty.any()
    assert torch.equal(out, again)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", 1.1),
        ("flip", -0.1),
        ("shift", 1.0),
        ("scale", 1.0),
        ("rotate", 181),
        ("shear", 90),
        ("contrast", 1.5),
        ("brightness", -1),
        ("gamma", float("inf")),
        ("scale", float("nan")),
    ],
)
def test_rejects_parameters(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be from 0"):
        AugmentBatch(**{name: value})


@pytest.mark.parametrize(
    ("image", "mask", "text"),
    [
        (torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8), r"image must have the shape .*, not \(2, 3, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 4), r"mask has the shape \(2, 1, 4, 4\)"),
        (torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 8, 8), r"mask has the shape \(3, 1, 8, 8\)"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.int32), torch.zeros(2, 1, 8, 8), "not torch.int32"),
    ],
)
def test_rejects_batches(image, mask, text):
    with pytest.raises(ValueError, match=text):
        AugmentBatch()(image, mask, generator())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_gives_what_the_cpu_gives():
    image, mask = batch()
    out, out_mask = AugmentBatch(contrast=0.1)(image, mask, generator())
    there, there_mask = AugmentBatch(contrast=0.1)(image.cuda(), mask.cuda(), generator())
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), out, atol=1e-4, rtol=0)
    assert (there_mask.cpu() != out_mask).float().mean() < 1e-3


def test_one_resampling_of_image_and_masks_is_as_good_as_two():
    # What GPUs do, against what the CPU does.
    image, mask = batch()
    out, out_mask = AugmentBatch()(image, mask, generator())
    draws = torch.rand(len(image), 9, generator=generator())
    theta = AugmentBatch()._theta(draws[:, :6].double(), (image.shape[2], image.shape[3])).float()
    grid = torch.nn.functional.affine_grid(theta, [*image.shape], align_corners=False)
    together, together_mask = _warped_together(image.clone(), mask, grid)
    torch.testing.assert_close(together, out, atol=1e-6, rtol=0)
    assert torch.equal(together_mask, out_mask)
