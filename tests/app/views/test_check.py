"""The look at the pixels: phantoms pass, what is made of them and what is drawn is refused with the reason."""

import cv2
import numpy as np
import pytest
import torch
from monai.transforms import Compose
from safetensors.torch import save_file

from app.phantoms.plan import Plan
from app.phantoms.render import render
from app.views.check import FrontalCheck, frontal_only, unsuited_pixels
from app.views.network import ViewNetwork
from transforms import LoadRadiographd, ResizeRadiographd
from transforms.errors import UnsuitedError
from transforms.read import read_radiograph


@pytest.fixture(scope="module")
def phantoms() -> list[np.ndarray]:
    """Two frontal views, (H, W) in [0, 1]."""
    plans = [
        Plan(5, number, number, 1, "test", view, "F", 50, frozenset(), False) for number, view in ((1, "PA"), (2, "AP"))
    ]
    return [render(plan, 128).image for plan in plans]


CHANGES = {
    "as it is": (lambda image: image, ""),
    "inverted": (lambda image: 1 - image, "has black and white exchanged"),
    "upside down": (lambda image: image[::-1, ::-1], "is upside down"),
    "turned to the left": (lambda image: np.rot90(image), "is turned by a quarter to the left"),
    "turned to the right": (lambda image: np.rot90(image, 3), "is turned by a quarter to the right"),
    "blank": (np.zeros_like, "does not look like a frontal radiograph of the chest"),
    "a ramp": (
        lambda image: np.broadcast_to(np.linspace(0, 1, 128), (128, 128)),
        "does not look like a frontal radiograph of the chest",
    ),
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.values(), ids=CHANGES)
def test_what_is_no_upright_frontal_chest_is_refused_with_the_reason(change, reason, phantoms):
    for image in phantoms:
        picture = np.ascontiguousarray(change(image), np.float32)[None]
        assert unsuited_pixels(picture) == (reason, False)


def test_real_radiographs_pass_and_one_with_a_wrong_header_is_inverted(frugal_data):
    chests = [*sorted((frugal_data / "nih/images").glob("*.png"))[:20], frugal_data / "dicom/RG1_J2KI.dcm"]
    assert [unsuited_pixels(read_radiograph(path)[0][None])[0] for path in chests] == [""] * len(chests)
    # Its header says MONOCHROME1, its pixels are those of MONOCHROME2.
    image, _ = read_radiograph(frugal_data / "dicom/xrv_monochrome1.dcm")
    assert unsuited_pixels(image[None])[0] == "has black and white exchanged"
    leg, _ = read_radiograph(frugal_data / "dicom/RG3_J2KI.dcm")
    assert unsuited_pixels(leg[None])[0] == "does not look like a frontal radiograph of the chest"


@pytest.mark.parametrize(("logit", "is_doubtful"), [(0.5, True), (5.0, False)])
def test_what_the_network_is_unsure_of_is_marked(logit, is_doubtful, tmp_path):
    network = ViewNetwork()
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.constant_(network.last.bias, logit)  # the same answer to everything
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    sample = FrontalCheck(weights=tmp_path / "mine.safetensors")({"image": torch.rand(1, 70, 80)})
    assert sample["is_doubtful"] == is_doubtful


def test_the_check_comes_after_loading(tmp_path, phantoms):
    cv2.imwrite(str(tmp_path / "good.png"), np.rint(phantoms[0] * 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "bad.png"), np.rint(phantoms[0] * 255).astype(np.uint8)[::-1])
    steps = [Compose([LoadRadiographd(["image"])]), ResizeRadiographd(["image"], size=32)]
    checked = frontal_only(Compose(steps), False)
    assert [type(step).__name__ for step in checked.transforms] == [
        "LoadRadiographd",
        "FrontalCheck",
        "ResizeRadiographd",
    ]
    assert checked({"image": str(tmp_path / "good.png")})["image"].shape == (1, 32, 32)
    with pytest.raises(RuntimeError) as caught:
        checked({"image": str(tmp_path / "bad.png")})
    assert isinstance(caught.value.__cause__, UnsuitedError)
    assert str(caught.value.__cause__).endswith("others only with --any_view True")


def test_any_view_changes_nothing():
    preprocessing = Compose([ResizeRadiographd(["image"], size=32)])
    assert frontal_only(preprocessing, True) is preprocessing
    with pytest.raises(ValueError, match="no step transforms"):
        frontal_only(preprocessing, False)
