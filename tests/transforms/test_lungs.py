import cv2
import numpy as np
import pytest
import torch

from transforms.lungs import CropLungs, CropLungsd, doubt, implausibility, lung_box, with_other_lung, without_specks
from transforms.pixels import read_mask
from transforms.regions import whole_region


def two_lungs(height: int = 100, width: int = 80) -> np.ndarray:
    """Lungs that span rows 20 to 80 % and columns 12.5 to 87.5 % of the image."""
    mask = np.zeros((height, width), np.uint8)
    rows = slice(height * 20 // 100, height * 80 // 100)
    mask[rows, width * 10 // 80 : width * 35 // 80] = 1
    mask[rows, width * 45 // 80 : width * 70 // 80] = 1
    return mask


def sample(**more):
    return {
        "image": torch.rand(1, 100, 80, generator=torch.Generator().manual_seed(0)),
        "name": "a.png",
        "original_size": np.array([100, 80]),
        "region": whole_region((100, 80)),
        "lungs": two_lungs(),
        **more,
    }


def test_crop_by_hand():
    image = torch.arange(8000.0).reshape(1, 100, 80) / 8000
    # Box x 10 to 70, y 20 to 80; a margin of 0.1 adds 6 on each side.
    cropped, region = CropLungs(0.1)(image, two_lungs())
    assert region.tolist() == [4, 14, 72, 72]
    assert torch.equal(cropped, image[:, 14:86, 4:76])


def test_margin_is_clipped():
    assert CropLungs(2.0)(torch.zeros(1, 100, 80), two_lungs())[1].tolist() == [0, 0, 80, 100]


def test_mask_of_another_resolution_and_aspect():
    # The same shares of the image in a mask of 50 x 160, for an image of 1000 x 800.
    assert lung_box(two_lungs(50, 160), (1000, 800), 0.0).tolist() == [100, 200, 600, 600]


def test_specks_do_not_widen_the_box():
    mask = two_lungs()
    mask[0:3, 0:3] = 1
    assert not without_specks(mask)[0, 0]
    assert CropLungs(0.0)(torch.zeros(1, 100, 80), mask)[1].tolist() == [10, 20, 60, 60]


def scattered() -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[::5, ::5] = mask[1::5, ::5] = 1  # 8 % of the image, in pieces of 2 pixels
    return mask


def rectangle(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((100, 100), np.uint8)
    mask[rows, columns] = 1
    return mask


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.zeros((100, 100)), "no lung"),
        (rectangle(slice(40, 60), slice(40, 50)), "lungs take up 2.0% of the image, not 5% to 80%"),
        (rectangle(slice(0, 100), slice(0, 95)), "lungs take up 95.0% of the image"),
        (scattered(), "lungs are in pieces of 0.0% of the image or less"),
        (rectangle(slice(0, 100), slice(0, 8)), "8% wide"),
        (rectangle(slice(0, 10), slice(0, 90)), "span only 10% of the image's height"),
    ],
    ids=["empty", "speck", "everything", "scattered", "narrow", "flat"],
)
def test_implausible_masks_keep_the_whole_image(mask, reason):
    assert reason in implausibility(mask)
    image = torch.rand(1, 50, 60)
    cropped, region = CropLungs()(image, mask)
    assert torch.equal(cropped, image)
    assert region.tolist() == [0, 0, 60, 50]


@pytest.mark.parametrize(
    "mask", [two_lungs(), rectangle(slice(20, 80), slice(10, 40))], ids=["two lungs", "one lung alone"]
)
def test_plausible_masks(mask):
    assert implausibility(mask) == ""


def test_dictionary_form_moves_annotations():
    boxes = np.array([[20, 30, 10, 12], [0, 70, 20, 20], [75, 2, 4, 4]], np.float32)
    finding_mask = torch.rand(3, 100, 80) > 0.5
    result = CropLungsd(margin=0.0)(sample(boxes=boxes, mask=finding_mask))
    assert result["image"].shape == (1, 60, 60)
    assert result["region"].tolist() == [10, 20, 60, 60]
    assert torch.equal(result["mask"], finding_mask[:, 20:80, 10:70])
    # by hand: minus (10, 20), clipped to 60 x 60; the third lies right of and above the crop
    assert result["boxes"].tolist() == [[10, 10, 10, 12], [0, 50, 10, 10], [60, 0, 0, 0]]
    assert result["boxes_outside"] == 1
    np.testing.assert_array_equal(result["stored_boxes"], boxes)
    assert result["lungs_found"].dtype == np.bool_
    assert result["lungs_found"]
    assert "lungs" not in result


def test_crop_does_not_depend_on_boxes():
    with_boxes = CropLungsd()(sample(boxes=np.array([[0, 0, 5, 5]], np.float32)))
    assert with_boxes["region"].tolist() == CropLungsd()(sample())["region"].tolist()


def test_implausible_is_flagged_and_annotations_stay():
    annotations = [(0, "masks/a.png")]
    boxes = np.array([[20, 30, 10, 12]], np.float32)
    result = CropLungsd()(sample(lungs=np.zeros((10, 10)), boxes=boxes, mask=annotations))
    assert not result["lungs_found"]
    assert result["image"].shape == (1, 100, 80)
    assert result["region"].tolist() == [0, 0, 80, 100]
    np.testing.assert_array_equal(result["boxes"], boxes)
    assert result["mask"] is annotations


def test_lungs_from_a_file_and_from_a_network(tmp_path):
    path = tmp_path / "lungs.png"
    cv2.imwrite(str(path), two_lungs(50, 40) * 255)
    expected = CropLungsd()(sample())["region"].tolist()
    assert CropLungsd()(sample(lungs=str(path)))["region"].tolist() == expected

    shapes = []

    def segment(image):
        shapes.append(tuple(image.shape))
        return torch.from_numpy(two_lungs(50, 40)).bool()

    given = sample()
    assert CropLungsd(segment=segment)(given)["region"].tolist() == expected
    assert shapes == []  # a given mask comes first
    del given["lungs"]
    assert CropLungsd(segment=segment)(given)["region"].tolist() == expected
    assert shapes == [(1, 100, 80)]


def test_second_crop_is_inside_the_first():
    first = CropLungsd(margin=0.0)(sample())
    second = CropLungsd(margin=0.0)({**first, "lungs": rectangle(slice(50, 100), slice(0, 50))})
    assert second["region"].tolist() == [10, 50, 30, 30]


def test_errors(tmp_path):
    without = sample()
    del without["lungs"]
    with pytest.raises(ValueError, match=r"a.png: has no lung mask under 'lungs'"):
        CropLungsd()(without)
    with pytest.raises(FileNotFoundError, match="no such mask file"):
        CropLungsd()(sample(lungs=str(tmp_path / "missing.png")))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text.png: not a picture"):
        CropLungsd()(sample(lungs=str(tmp_path / "text.png")))
    with pytest.raises(ValueError, match=r"margin must be .* 0 or more, not -0.1"):
        CropLungs(-0.1)
    with pytest.raises(ValueError, match=r"a lung mask must have the shape .*, not \(2, 4, 4\)"):
        CropLungs()(torch.zeros(1, 4, 4), np.zeros((2, 4, 4)))


def unsure(least: float) -> np.ndarray:
    """Two lungs whose probability is such that the doubt is a little above ``least``: 4 p (1 - p) / p = 4 (1 - p)."""
    return two_lungs() * np.float32(1 - least / 4 - 0.001)


def test_doubt_by_hand():
    # Half of the lungs at 0.9, half at 1: 4 * 0.9 * 0.1 / (0.9 + 1).
    assert doubt(np.array([[0.9, 1.0], [0.0, 0.0]])) == pytest.approx(0.36 / 1.9)
    assert doubt(two_lungs()) == 0
    assert doubt(np.zeros((2, 2))) == 0


@pytest.mark.parametrize(
    ("lungs", "box", "lungs_found", "is_doubtful"),
    [
        (two_lungs(), [10, 20, 60, 60], True, False),
        (unsure(0.4), [10, 20, 60, 60], True, False),
        (unsure(0.5), [0, 2, 80, 96], True, True),  # 0.3 of 60 on each side, clipped to the 80 columns
        (unsure(0.8), [0, 0, 80, 100], False, True),
        (np.zeros((100, 80)), [0, 0, 80, 100], False, True),
    ],
    ids=["a mask", "rather sure", "unsure", "of no use", "none"],
)
def test_lungs_in_doubt_get_a_wide_margin_and_are_marked(lungs, box, lungs_found, is_doubtful):
    result = CropLungsd(margin=0.0)(sample(lungs=lungs))
    assert result["region"].tolist() == box
    assert (bool(result["lungs_found"]), bool(result["is_doubtful"])) == (lungs_found, is_doubtful)


def test_what_was_doubtful_before_stays_so():
    assert CropLungsd()(sample(is_doubtful=np.bool_(True)))["is_doubtful"]


@pytest.mark.parametrize(
    ("box", "both"),
    [
        ([10, 20, 30, 60], [10, 20, 69, 60]),  # 1.3 of the width of 30 to the right
        ([60, 20, 30, 60], [21, 20, 69, 60]),
        ([70, 20, 28, 60], [34, 20, 64, 60]),
        ([30, 20, 40, 60], [0, 20, 70, 60]),  # its centre is the image's: clipped at the left
        ([10, 20, 60, 60], [10, 20, 60, 60]),
    ],
    ids=["left", "right", "far right", "clipped", "both"],
)
def test_a_single_lung_is_cropped_with_the_place_of_the_other(box, both):
    np.testing.assert_array_equal(with_other_lung(np.array(box), (100, 100)), both)


def test_a_single_lung_is_in_doubt_whatever_the_shape_of_its_mask():
    # Rows 20 to 80 %, columns 10 to 40 % of 200 x 100 pixels: 30 wide, 120 tall; 1.3 of 30 more.
    result = CropLungs(margin=0.0).place(rectangle(slice(20, 80), slice(10, 40)), (200, 100))
    assert (result.box.tolist(), result.lungs_found, result.is_doubtful) == ([10, 40, 69, 120], True, True)


def test_hand_drawn_masks_are_plausible_whole_and_one_sided(frugal_data):
    paths = sorted((frugal_data / "lungs" / "masks").glob("*.png"))
    assert len(paths) == 113
    for path in paths:
        mask = read_mask(path)
        assert implausibility(mask) == "", path.name
        count, parts = cv2.connectedComponents(mask.astype(np.uint8))
        assert [implausibility(parts == part) for part in range(1, count)] == [""] * (count - 1), path.name
