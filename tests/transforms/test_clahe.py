import cv2
import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from transforms.clahe import CLAHE, CLAHEd


def chest_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth structure with noise, (height, width) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9) + 0.01 * noise
    return np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))


@pytest.mark.parametrize("shape", [(64, 96), (61, 47), (8, 8)])
def test_equals_opencv_on_8_bit(shape):
    levels = chest_like(*shape)
    oracle = cv2.createCLAHE(3.0, (4, 2)).apply(levels)  # OpenCV takes (columns, rows)
    result = CLAHE(3.0, (2, 4))(torch.from_numpy(levels / np.float32(255))[None])
    assert result.shape == (1, *shape)
    assert result.dtype == torch.float32
    np.testing.assert_array_equal(np.rint(result[0].numpy() * 255), oracle)


def test_8_and_16_bit_files_agree(tmp_path):
    deep = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 65536, (128, 128)).astype(np.uint16), (0, 0), 5)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    cv2.imwrite(str(tmp_path / "flat.png"), np.rint(deep / 257).astype(np.uint8))
    results = []
    for name, top in (("deep.png", 65535), ("flat.png", 255)):
        pixels = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
        results.append(CLAHE()(torch.from_numpy((pixels / top).astype(np.float32))[None]))
    # One grey level of 8 bit; OpenCV's own 16-bit form is off by far more, as it hardly changes the image.
    assert (results[0] - results[1]).abs().max() <= 1 / 255
    own = cv2.createCLAHE(2.0, (8, 8)).apply(deep) / 65535
    assert np.abs(own - results[1][0].numpy()).max() > 10 / 255


def test_contrast_rises_and_input_stays():
    image = torch.from_numpy(chest_like(128, 128) / np.float32(255) * 0.2 + 0.4)[None]
    before = image.clone()
    result = CLAHE()(image)
    assert result.std() > 1.5 * image.std()
    assert torch.equal(image, before)


def test_rounding_errors_of_a_resize_pass():
    image = torch.tensor([-1e-6, 1.000001]).repeat(1, 16, 8)
    assert torch.equal(CLAHE(tiles=(1, 1))(image), CLAHE(tiles=(1, 1))(image.clamp(0, 1)))


def test_takes_numpy_and_meta_tensor():
    pixels = chest_like(32, 32)[None] / np.float32(255)
    plain = CLAHE()(torch.from_numpy(pixels))
    assert torch.equal(CLAHE()(pixels), plain)
    meta = CLAHE()(MetaTensor(torch.from_numpy(pixels)))
    assert type(meta) is torch.Tensor
    assert torch.equal(meta, plain)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (torch.full((1, 16, 16), float("nan")), "without NaN"),
        (torch.full((1, 16, 16), 1.5), "values from 1.5 to 1.5"),
        (torch.full((1, 16, 16), -0.1), "needs \\[0, 1\\]"),
        (torch.zeros(1, 7, 16), "smaller than the grid of \\(8, 8\\) tiles"),
        (torch.zeros(16, 16), "shape \\(16, 16\\)"),
        (torch.zeros(3, 16, 16), "shape \\(3, 16, 16\\)"),
        (torch.zeros(1, 0, 16), "shape \\(1, 0, 16\\)"),
    ],
)
def test_rejects_image(image, text):
    with pytest.raises(ValueError, match=text):
        CLAHE()(image)


@pytest.mark.parametrize("clip_limit", [0, -1, float("nan"), float("inf")])
def test_rejects_clip_limit(clip_limit):
    with pytest.raises(ValueError, match=f"clip_limit must be .* above 0, not {clip_limit}"):
        CLAHE(clip_limit)


@pytest.mark.parametrize("tiles", [(0, 8), (8,), (8, 2.5)])
def test_rejects_tiles(tiles):
    with pytest.raises(ValueError, match=r"tiles must be two whole numbers"):
        CLAHE(tiles=tiles)


def test_dictionary_form():
    image = torch.from_numpy(chest_like(32, 40) / np.float32(255))[None]
    sample = {"image": image, "name": "a.png", "label": 1}
    result = CLAHEd(clip_limit=4.0, tiles=(2, 2))(sample)
    assert torch.equal(result["image"], CLAHE(4.0, (2, 2))(image))
    assert sample["image"] is image
    with pytest.raises(ValueError, match=r"a.png: image has values from 2 to 2"):
        CLAHEd()({"image": torch.full((1, 8, 8), 2.0), "name": "a.png"})
