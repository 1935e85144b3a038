"""Segmenting lungs: loading, sizes, pickling, and, with the shipped weights, that lungs are found."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from app.networks.checkpoints import save, weights
from app.networks.lungs import LungSegmenter, two_largest_parts
from app.networks.unet import UNet
from transforms.lungs import implausibility

SHIPPED = Path("bundles/lung_segmentation/models/model.pt")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    save(weights(UNet()), path)
    return path


@pytest.mark.parametrize("shape", [(100, 80), (64, 64), (700, 900)], ids=["small", "square", "large"])
def test_a_map_of_probabilities_on_a_square_of_the_asked_size(checkpoint, shape):
    probability = LungSegmenter(checkpoint, size=64)(torch.rand(1, *shape))
    assert (probability.shape, probability.dtype) == ((64, 64), np.float32)
    assert 0 <= probability.min() < probability.max() <= 1


def test_mask_is_where_the_network_says_so(checkpoint):
    # The image has the network's size already, so nothing but the threshold of one half (logit 0) stands between.
    image = torch.rand(1, 64, 64)
    network = UNet().eval()
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    with torch.inference_mode():
        logits = network(image[None]).map[0, 0].numpy()
    probability = LungSegmenter(checkpoint, size=64)(image)
    np.testing.assert_array_equal(probability > 0.5, two_largest_parts(logits > 0))
    kept = two_largest_parts(logits > 0) | (logits <= 0)
    np.testing.assert_allclose(probability, kept / (1 + np.exp(-logits)), atol=1e-6)


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        ([[1, 1, 0, 1, 0, 1, 1, 1]], [[1, 1, 0, 0, 0, 1, 1, 1]]),
        ([[1, 1, 0, 0, 0, 1, 0, 0]], [[1, 1, 0, 0, 0, 1, 0, 0]]),
        ([[0, 0, 0, 0, 0, 0, 0, 0]], [[0, 0, 0, 0, 0, 0, 0, 0]]),
    ],
    ids=["three parts", "two parts", "nothing"],
)
def test_no_more_than_two_parts_are_kept(mask, kept):
    np.testing.assert_array_equal(two_largest_parts(np.array(mask)), np.array(kept, dtype=bool))


def test_a_pickled_copy_gives_the_same_and_carries_no_weights(checkpoint):
    segment, image = LungSegmenter(checkpoint, size=64), torch.rand(1, 64, 64)
    mask = segment(image)
    text = pickle.dumps(segment)
    assert len(text) < 2000
    np.testing.assert_array_equal(pickle.loads(text)(image), mask)


def test_threads_may_share_one(checkpoint):
    segment, images = LungSegmenter(checkpoint, size=64), torch.rand(8, 1, 64, 64)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(segment, images))
    np.testing.assert_array_equal(together, [segment(image) for image in images])


def test_a_missing_checkpoint_is_named_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pt: no such checkpoint of a lung segmentation network"):
        LungSegmenter(tmp_path / "nowhere.pt")


def test_weights_of_another_network_are_refused(tmp_path):
    save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt does not fit this network"):
        LungSegmenter(tmp_path / "other.pt")(torch.rand(1, 64, 64))


def test_shipped_weights_are_two_megabytes_at_most():
    assert SHIPPED.stat().st_size <= 2_000_000


def test_shipped_weights_find_plausible_lungs_in_radiographs_they_never_saw(frugal_data):
    files = sorted((frugal_data / "nih" / "images").glob("*.png"))[::16]
    segment = LungSegmenter(SHIPPED)
    images = (cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).astype(np.float32)[None] / 255 for file in files)
    reasons = {file.name: implausibility(segment(image) > 0.5) for file, image in zip(files, images, strict=True)}
    # 50 ChestX-ray14 images, half of them bedside; the weights saw none of that data set.
    assert not {name: reason for name, reason in reasons.items() if reason}


def test_the_weights_bring_the_size_of_their_input(tmp_path: Path) -> None:
    save(weights(UNet()), tmp_path / "lungs.pt")
    assert LungSegmenter(tmp_path / "lungs.pt").size == 256
    (tmp_path / "lungs.json").write_text('{"findings": ["Lungs"], "settings": {"image_size": 64}}')
    segment = LungSegmenter(tmp_path / "lungs.pt")
    assert segment(torch.rand(1, 80, 72)).shape == (64, 64)
    assert LungSegmenter(tmp_path / "lungs.pt", size=128).size == 128
