"""One image under two names, in two sections: by its file, its pixels, or nearly the same picture."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import main
from app.datalist.duplicates import ALIKE, content, crossing_files, kept_together
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.datalist.splitting import folds, split
from app.datalist.validate import DatalistError
from app.phantoms.opened import open_data


def picture(path: Path, seed: int) -> None:
    """A smooth picture of its own."""
    rough = np.random.default_rng(seed).integers(0, 256, (9, 8), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(rough, (80, 96), interpolation=cv2.INTER_CUBIC))


def two_sections(training: str, test: str, patients: tuple[str, str] = ("a", "b")) -> Datalist:
    sections = {
        "training": [Item(training, patients[0], (1,))],
        "validation": [],
        "test": [Item(test, patients[1], (0,))],
    }
    return Datalist("made", ("Nodule",), sections)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two pictures, a link, a hard link and a copy of the first."""
    folder = tmp_path / "images"
    folder.mkdir()
    picture(folder / "1.png", 1)
    picture(folder / "2.png", 2)
    (folder / "link.png").symlink_to("1.png")
    os.link(folder / "1.png", folder / "hard.png")
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    return tmp_path


def test_spellings_of_one_path_are_one_image_before_any_file_is_looked_at(tmp_path: Path):
    for other in ("images/../images/1.dcm", "./images/1.dcm", "images//1.dcm", "images/./1.dcm"):
        write_datalist(two_sections("images/1.dcm", other), tmp_path / "data.json")
        with pytest.raises(DatalistError, match=r"image 'images/1\.dcm' is named 2 times\."):
            read_datalist(tmp_path / "data.json")


@pytest.mark.parametrize("other", ["link.png", "hard.png"])
def test_a_link_in_another_section_is_refused_when_the_data_is_opened(images: Path, other: str):
    write_datalist(two_sections("images/1.png", f"images/{other}"), images / "data.json")
    with pytest.raises(DatalistError) as caught:
        open_data(images / "data.json")
    assert "1 image file is in more than one section, one file under two names" in str(caught.value)
    assert f"images/1.png (training) and images/{other} (test)" in str(caught.value)


def test_two_links_within_one_section_are_two_images_as_copies_are(images: Path):
    datalist = two_sections("images/1.png", "images/2.png")
    datalist.sections["training"].append(Item("images/link.png", "c", (1,)))
    assert crossing_files(datalist, images) == []


def test_files_that_are_not_there_are_no_duplicates(tmp_path: Path):
    assert crossing_files(two_sections("images/1.png", "images/2.png"), tmp_path) == []


def test_a_copy_is_found_by_its_pixels_in_whatever_format(images: Path, capsys: pytest.CaptureFixture):
    grey = cv2.imread(str(images / "images/1.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(images / "images/1.tif"), grey)
    for other in ("copy.png", "1.tif"):
        write_datalist(two_sections("images/1.png", f"images/{other}"), images / "data.json")
        assert main(["datalist", "show", str(images / "data.json")]) == 0  # no pixel is read
        assert main(["datalist", "show", str(images / "data.json"), "--files"]) == 1
        error = capsys.readouterr().err
        assert "1 image is in more than one section, the same pixels under two names" in error


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        (lambda grey: cv2.resize(grey, (40, 48), interpolation=cv2.INTER_AREA), True),
        (lambda grey: cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 50])[1], -1), True),
        (lambda grey: (grey.astype(float) * 0.6 + 20).astype(np.uint8), True),
        (lambda grey: grey[:, ::-1].copy(), False),
        (lambda grey: np.full_like(grey, 7), False),
    ],
    ids=["smaller", "jpeg", "window", "mirrored", "blank"],
)
def test_nearly_the_same_picture_is_told_but_not_refused(images: Path, capsys, change, is_told: bool):
    grey = cv2.imread(str(images / "images/1.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(images / "images/near.png"), change(grey))
    write_datalist(two_sections("images/1.png", "images/near.png"), images / "data.json")
    assert main(["datalist", "show", str(images / "data.json"), "--files"]) == 0
    assert ("1 pair of images in two sections looks the same" in capsys.readouterr().out) == is_told


def test_copies_within_a_section_and_unreadable_files_are_told(images: Path):
    (images / "images/bad.png").write_bytes(b"no image")
    datalist = two_sections("images/1.png", "images/bad.png")
    datalist.sections["training"].append(Item("images/copy.png", "c", (1,)))
    found = content(datalist, images)
    assert found.problems == []
    pair = "images/1.png (training) and images/copy.png (training)"
    assert found.notes == [
        f"1 image has the same pixels as another image of the section: {pair}.",
        "1 of 3 images cannot be read, so their pixels were not compared.",
    ]


def test_a_damaged_image_and_an_unclear_mask_are_problems(images: Path, capsys: pytest.CaptureFixture):
    whole = (images / "images/1.png").read_bytes()
    (images / "images/cut.png").write_bytes(whole[:-100])  # its header is whole
    datalist = two_sections("images/cut.png", "images/2.png")
    datalist.sections["test"][0].mask = {"Nodule": "images/1.png"}  # of many values, as it is no mask
    datalist.sections["test"][0].annotated = ("Nodule",)
    write_datalist(datalist, images / "data.json")
    assert main(["datalist", "show", str(images / "data.json"), "--files"]) == 1
    shown = capsys.readouterr()
    assert "2 problems." in shown.err
    assert f"images/cut.png (training): {images}/images/cut.png: is truncated: its PNG ends early" in shown.err
    assert f"test[0] images/2.png: mask of 'Nodule': {images}/images/1.png: is no mask: besides" in shown.err
    assert "1 of 2 images cannot be read" in shown.out


def test_a_nul_in_the_name_of_an_image_is_told_with_its_item(images: Path):
    write_datalist(two_sections("images/1.png", "images/1.png\0"), images / "data.json")
    with pytest.raises(DatalistError, match=r"test\[0\] images/1\.png\0: .* holds a NUL character"):
        open_data(images / "data.json")


def linked(images: Path) -> Datalist:
    """Twelve patients; a chain of files makes one of p0, p1 and p2."""
    for number in range(12):
        picture(images / f"images/p{number}.png", number + 10)
    for first, second in ((0, 1), (1, 2)):
        (images / f"images/p{second}-as-p{first}.png").symlink_to(f"p{second}.png")
    items = [Item(f"images/p{number}.png", f"p{number}", (number % 2,)) for number in range(12)]
    items += [Item(f"images/p{second}-as-p{first}.png", f"p{first}", (1,)) for first, second in ((0, 1), (1, 2))]
    return Datalist("made", ("Nodule",), {"training": items, "validation": [], "test": []})


def test_a_split_keeps_patients_together_who_have_a_file_in_common(images: Path):
    datalist = linked(images)
    for seed in range(8):
        torn = split(datalist, (0.5, 0.25, 0.25), seed)
        (made,) = kept_together(datalist, images, lambda whole, seed=seed: [split(whole, (0.5, 0.25, 0.25), seed)])
        sections = {item.patient: name for name, items in made.sections.items() for item in items}
        assert sections["p0"] == sections["p1"] == sections["p2"]
        assert crossing_files(made, images) == []
        assert sorted(item.image for item in made.items()) == sorted(
            item.image for item in datalist.sections["training"]
        )
        if seed == 0:
            assert crossing_files(torn, images)  # else nothing was shown
    assert made.provenance["counts"] == {"patients kept together, as they have an image file in common": 3}


def test_folds_keep_them_together_too(images: Path):
    datalist = linked(images)
    made = kept_together(datalist, images, lambda whole: folds(whole, 3, located_only=False, extra_share=0, seed=0))
    assert [crossing_files(fold, images) for fold in made] == [[], [], []]
    assert {item.patient for fold in made for item in fold.sections["test"]} == {f"p{number}" for number in range(12)}


def test_no_two_radiographs_of_different_patients_are_alike(frugal_data: Path):
    """Measured: of 311,894 such pairs none reaches 0.96."""
    files = sorted((frugal_data / "nih" / "images").glob("*.png"))[::4]
    sections = {"training": files[::2], "test": files[1::2], "validation": []}
    items = {name: [Item(str(path), path.name[:8], (0,)) for path in part] for name, part in sections.items()}
    found = content(Datalist("nih", ("Nodule",), items), Path("/"))
    assert (found.problems, found.notes) == ([], [])
    assert ALIKE > 0.96


def test_a_smaller_copy_of_a_radiograph_is_alike(frugal_data: Path):
    large = sorted((frugal_data / "nih" / "images_1024").glob("*.png"))[:4]
    small = [frugal_data / "nih" / "images" / path.name for path in large]
    sections = {"training": [Item(str(path), f"a{path.name}", (0,)) for path in large], "validation": []}
    sections["test"] = [Item(str(path), f"b{path.name}", (0,)) for path in small]
    (note,) = content(Datalist("nih", ("Nodule",), sections), Path("/")).notes
    assert note.startswith("4 pairs of images in two sections look the same")
