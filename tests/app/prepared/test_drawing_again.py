"""With the real transforms, changed annotations are drawn again on images that are not read again."""

import cv2
import numpy as np
import pytest
import torch
from monai.transforms import Compose, RandFlipd

from app.prepared import PreparedDataset, UnidentifiableError
from transforms.clahe import CLAHEd
from transforms.draw import DrawAnnotationsd
from transforms.load import LoadRadiograph, LoadRadiographd
from transforms.lungs import CropLungsd
from transforms.resize import ResizeRadiographd

SIZE = 32


def segment(image):
    """Lungs everywhere but in a frame of ten pixels."""
    mask = np.zeros(image.shape[-2:], bool)
    mask[10:-10, 10:-10] = True
    return mask


def chain(**settings):
    return Compose(
        [
            LoadRadiographd(),
            CropLungsd(segment=segment, margin=0.0),
            CLAHEd(),
            ResizeRadiographd(size=SIZE),
            DrawAnnotationsd(findings=2, **settings),
        ]
    )


@pytest.fixture
def samples(tmp_path):
    generator = np.random.default_rng(1)
    result = []
    for number in range(4):
        path, mask = tmp_path / f"{number}.png", tmp_path / f"{number}_mask.png"
        pixels = generator.integers(0, 256, (9, 7), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(pixels, (70, 90), interpolation=cv2.INTER_LINEAR))
        drawn = np.zeros((90, 70), np.uint8)
        drawn[30:60, 20 : 30 + 5 * number] = 255
        cv2.imwrite(str(mask), drawn)
        result.append(
            {
                "image": str(path),
                "name": path.name,
                "label": np.array([1, 0], np.float32),
                "annotated": np.array([True, True]),
                "boxes": np.array([[15.0, 20.0, 30.0, 25.5]], np.float32)[: number % 2],
                "box_finding": np.zeros(1, np.int64)[: number % 2],
                "mask": [(1, str(mask))] if number > 1 else [],
            }
        )
    return result


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read."""
    names = []
    read = LoadRadiograph.__call__

    def counted(self, path):
        names.append(str(path).rpartition("/")[2])
        return read(self, path)

    monkeypatch.setattr(LoadRadiograph, "__call__", counted)
    return names


def prepared(samples, tmp_path, **settings):
    return PreparedDataset(samples, chain(**settings), tmp_path / "kept", workers=0, progress=False)


def assert_as_if_made_now(dataset, samples, **settings):
    for at, sample in enumerate(samples):
        fresh, kept = chain(**settings)(sample), dataset[at]
        np.testing.assert_array_equal(kept["image"].numpy(), np.rint(np.asarray(fresh["image"]) * 255))
        np.testing.assert_array_equal(kept["mask"].numpy(), np.asarray(fresh["mask"]))
        assert kept["region"].tolist() == [10, 10, 50, 70]
        assert kept["original_size"].tolist() == [90, 70]
        assert kept["lungs_found"] == fresh["lungs_found"]


def test_gives_what_the_whole_chain_makes(samples, tmp_path):
    dataset = prepared(samples, tmp_path)
    assert dataset[3]["mask"].flatten(1).any(1).tolist() == [True, True]
    assert_as_if_made_now(dataset, samples)


def _move_a_box(samples, tmp_path):
    samples[1]["boxes"] = samples[1]["boxes"] + 5


def _add_a_box(samples, tmp_path):
    samples[0]["boxes"], samples[0]["box_finding"] = samples[1]["boxes"], np.array([1])


def _take_annotations_away(samples, tmp_path):
    samples[3].update(boxes=np.zeros((0, 4), np.float32), box_finding=np.zeros(0, np.int64), mask=[])


def _edit_a_mask_file(samples, tmp_path):
    drawn = np.zeros((90, 70), np.uint8)
    drawn[40:50, 30:35] = 1
    cv2.imwrite(str(tmp_path / "2_mask.png"), drawn)


def _give_run_lengths(samples, tmp_path):
    samples[2]["mask"] = [(1, ((90, 70), (900, 1000, 4400)))]


@pytest.mark.parametrize(
    "change", [_move_a_box, _add_a_box, _take_annotations_away, _edit_a_mask_file, _give_run_lengths]
)
def test_changed_annotations_are_drawn_again_without_reading(samples, tmp_path, reads, change):
    prepared(samples, tmp_path)
    assert sorted(reads) == ["0.png", "1.png", "2.png", "3.png"]
    reads.clear()
    change(samples, tmp_path)
    dataset = prepared(samples, tmp_path)
    assert reads == []
    assert_as_if_made_now(dataset, samples)


def test_another_way_of_drawing_is_drawn_without_reading(samples, tmp_path, reads):
    one = prepared(samples, tmp_path)
    reads.clear()
    other = prepared(samples, tmp_path, ellipses=False)
    assert reads == []
    assert_as_if_made_now(other, samples, ellipses=False)
    assert_as_if_made_now(one, samples)


def test_a_changed_image_is_read_and_drawn_again(samples, tmp_path, reads):
    prepared(samples, tmp_path)
    reads.clear()
    cv2.imwrite(samples[1]["image"], np.full((90, 70), 77, np.uint8))
    assert_as_if_made_now(dataset := prepared(samples, tmp_path), samples)
    assert dataset.excluded == []
    assert set(reads) == {"0.png", "1.png", "2.png", "3.png"}  # all but 1.png by the comparison
    assert reads.count("1.png") == 2


def test_a_mask_of_another_size_is_named(samples, tmp_path):
    cv2.imwrite(str(tmp_path / "2_mask.png"), np.ones((9, 7), np.uint8))
    with pytest.raises(RuntimeError, match=r"2_mask\.png: the mask has 9 x 7 pixels .* its image has 90 x 70"):
        prepared(samples, tmp_path)


def test_damage_to_what_was_drawn_is_repaired(samples, tmp_path, caplog):
    prepared(samples, tmp_path)
    for path in (tmp_path / "kept").glob("*/*.data"):
        path.write_bytes(bytes(path.stat().st_size))
    assert_as_if_made_now(prepared(samples, tmp_path), samples)
    again = [record.getMessage().split(": ")[0] for record in caplog.records if "prepared again" in record.getMessage()]
    assert again == ["0.png", "1.png", "2.png", "3.png"]


def test_random_transforms_are_refused(samples, tmp_path):
    with pytest.raises(UnidentifiableError, match="RandFlipd, which is random"):
        PreparedDataset(samples, Compose([LoadRadiographd(), RandFlipd(("image",))]), tmp_path / "kept")


class Look:
    def __init__(self):
        self.seen = set()

    def identity(self):
        return "Look"

    def __call__(self, sample):
        self.seen.update(sample)
        return {"image": torch.zeros(1, 4, 4)}


def test_the_transforms_see_no_labels(samples, tmp_path):
    plain = [{**sample, "boxes": np.zeros((0, 4)), "mask": []} for sample in samples]
    PreparedDataset(plain, look := Look(), tmp_path / "kept", workers=0, progress=False)
    assert look.seen == {"image", "name", "boxes", "box_finding", "mask"}
