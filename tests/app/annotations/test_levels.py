"""Cheaper annotations from better ones: each level by hand, mixtures and shares by their promises."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.annotations.labeller import quality_at
from app.annotations.levels import LEVELS, LevelCount, at_level, by_labeller, mixture
from app.annotations.reduction import share_of_patients
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item
from app.datalist.run_lengths import decode, encode
from app.datalist.validate import problems
from app.phantoms.opened import OpenedData

SIZE = (20, 30)


def outline(*corners: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    for top, left, height, width in corners:
        mask[top : top + height, left : left + width] = 1
    return mask


OUTLINED = outline((2, 3, 4, 5), (10, 20, 3, 3))
AROUND = (Box("Nodule", 3, 2, 5, 4), Box("Nodule", 20, 10, 3, 3))


def one(**given: object) -> Datalist:
    item = Item("1.png", "p", (1, 0), annotated=("Nodule", "Mass"), source="radiologist", **given)
    test = Item("2.png", "q", (1, 0), annotated=("Nodule",), mask={"Nodule": encode(OUTLINED)})
    return Datalist("made", ("Nodule", "Mass"), {"training": [item], "validation": [], "test": [test]}, "Made.")


def first(datalist: Datalist) -> Item:
    return datalist.sections["training"][0]


def test_outlines_become_boxes_and_ellipses(tmp_path: Path):
    datalist = one(mask={"Nodule": encode(OUTLINED)})
    boxed = first(at_level(datalist, "box", tmp_path))
    assert (boxed.boxes, boxed.mask, boxed.annotated, boxed.label) == (AROUND, {}, ("Nodule", "Mass"), (1, 0))
    round_one = first(at_level(datalist, "ellipse", tmp_path))
    mask = decode(round_one.mask["Nodule"])
    assert round_one.boxes == ()
    # By hand. 3 x 3: the corners' centres are at (2/3)^2 + (2/3)^2 = 0.89 < 1, inside. 4 rows of 5: the outer rows are
    # at 0.75^2 = 0.56, so that of their columns those at 0.4^2 = 0.16 are inside and those at 0.8^2 = 0.64 are not.
    assert mask[10:13, 20:23].sum() == 9
    np.testing.assert_array_equal(mask[2:6, 3:8], [[0, 1, 1, 1, 0], [1] * 5, [1] * 5, [0, 1, 1, 1, 0]])
    assert mask.sum() == 9 + 16


def test_location_is_dropped(tmp_path: Path):
    dropped = first(at_level(one(mask={"Nodule": encode(OUTLINED)}), "image", tmp_path))
    assert (dropped.boxes, dropped.mask, dropped.annotated, dropped.label) == ((), {}, (), (1, 0))


def test_outlines_stay_outlines(tmp_path: Path):
    datalist = one(mask={"Nodule": encode(OUTLINED)})
    assert first(at_level(datalist, "outline", tmp_path)) == first(datalist)


def test_mask_files_and_boxes_beside_masks(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "nodule.png"), OUTLINED * 255)
    boxes = (Box("Mass", 1, 1, 2, 2), Box("Nodule", 0, 0, 9, 9))
    boxed = first(at_level(one(mask={"Nodule": "nodule.png"}, boxes=boxes), "box", tmp_path))
    assert boxed.boxes == (Box("Mass", 1, 1, 2, 2), *AROUND)
    with pytest.raises(ValueError, match=r"missing\.png: there is no such mask file"):
        at_level(one(mask={"Nodule": "missing.png"}), "box", tmp_path)


def test_ellipses_in_boxes_need_the_image_s_size(tmp_path: Path):
    datalist = one(boxes=AROUND)
    with pytest.raises(ValueError, match=r"1\.png: no such image file"):
        at_level(datalist, "ellipse", tmp_path)
    cv2.imwrite(str(tmp_path / "1.png"), OUTLINED)
    assert first(at_level(datalist, "ellipse", tmp_path)).mask["Nodule"].size == SIZE


def test_test_sections_stay_unless_named(tmp_path: Path):
    datalist = one(mask={"Nodule": encode(OUTLINED)})
    assert at_level(datalist, "box", tmp_path).sections["test"] == datalist.sections["test"]
    changed = at_level(datalist, "box", tmp_path, ("training", "test"))
    assert changed.sections["test"][0].boxes == AROUND
    with pytest.raises(ValueError, match="no section 'tests'"):
        at_level(datalist, "box", tmp_path, ("tests",))
    with pytest.raises(ValueError, match="level 'point': must be one of outline, ellipse, box, image"):
        at_level(datalist, "point", tmp_path)


def test_what_was_done_is_told(tmp_path: Path):
    datalist = at_level(one(boxes=AROUND), "image", tmp_path)
    datalist = by_labeller(datalist, {"Nodule": quality_at(1.0)}, seed=4)
    assert datalist.description == (
        f"Made. Made cheaper in training: {LEVELS['image']}. Made cheaper in training: {LEVELS['nlp']} 1."
    )
    one_step, two_step = datalist.provenance["degraded"]
    assert one_step == {"to": LEVELS["image"], "sections": ["training"], "images": {"image": 1}}
    assert (two_step["seed"], two_step["came to"]["training"]["Nodule"]["f1"]) == (4, 1.0)
    assert first(datalist).source == "NLP of radiologist"
    # What a run logs of its data.
    facts = OpenedData(datalist, tmp_path / "x.json").facts()
    assert facts["provenance.degraded"] == datalist.provenance["degraded"]


def many(patients: int = 50, located: int = 30) -> Datalist:
    """Two images a patient; of the first patients they are outlined, every other one with a nodule."""
    items = []
    for number in range(2 * patients):
        item = Item(f"{number:03}.png", f"p{number // 2}", (number % 2, 0))
        if number < 2 * located:
            item.annotated = ("Nodule",)
            item.mask = {"Nodule": encode(OUTLINED)} if number % 2 else {}
        items.append(item)
    return Datalist("many", ("Nodule", "Mass"), {"training": items, "validation": [], "test": []})


def names(datalist: Datalist) -> set[str]:
    return {item.image for item in datalist.sections["training"]}


def test_a_share_of_the_patients_comes_whole_and_nested():
    datalist = many()
    small, large = (share_of_patients(datalist, share, seed=1) for share in (0.2, 0.5))
    assert (len(names(small)), len(names(large))) == (20, 50)
    assert names(small) < names(large)
    assert len({item.patient for item in small.sections["training"]}) == 10
    assert names(share_of_patients(datalist, 0.2, seed=2)) != names(small)
    assert len(names(share_of_patients(datalist, 0.001, seed=1))) == 2
    with pytest.raises(ValueError, match="share of patients 0: must be above 0"):
        share_of_patients(datalist, 0, seed=1)


def test_a_mixture_has_so_many_of_each(tmp_path: Path):
    datalist = many()
    mixed = mixture(datalist, [LevelCount("image", 24), LevelCount("outline", 6)], tmp_path, seed=0)
    items = mixed.sections["training"]
    assert sum(bool(item.annotated) for item in items) == 6
    assert len(items) == len(names(mixed)) == 30
    assert problems(mixed) == []
    step = mixed.provenance["degraded"][0]
    assert step["to"] == f"6 images with {LEVELS['outline']} + 24 images with {LEVELS['image']}"
    assert step["images left out"] == 70
    kept = {item.image: item for item in datalist.sections["training"]}
    assert all(item == kept[item.image] for item in items if item.annotated)
    assert all(not item.mask for item in items if not item.annotated)


def test_parts_of_a_mixture_are_nested(tmp_path: Path):
    datalist = many()
    small, large = (
        mixture(datalist, [LevelCount("outline", count), LevelCount("image", None)], tmp_path, seed=0)
        for count in (6, 12)
    )
    outlined = [{item.image for item in made.sections["training"] if item.annotated} for made in (small, large)]
    assert (len(outlined[0]), len(outlined[1])) == (6, 12)
    assert outlined[0] < outlined[1]
    assert names(small) == names(large) == names(datalist)


def test_a_mixture_with_boxes_and_a_labeller(tmp_path: Path):
    parts = [LevelCount("box", 10), LevelCount("nlp", 60)]
    mixed = mixture(many(), parts, tmp_path, 0, {"Nodule": quality_at(0.8)})
    items = mixed.sections["training"]
    assert sum(bool(item.annotated) for item in items) == 10
    assert not any(item.mask for item in items)
    assert sum(item.source.startswith("NLP") for item in items) == 60
    assert mixed.provenance["degraded"][0]["came to"]["nlp"]["Nodule"]["f1"] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([LevelCount("outline", 61)], "61 images at level 'outline' asked, but only 60 are left"),
        ([LevelCount("outline", 1), LevelCount("outline", 2)], "each once"),
        ([LevelCount("point", 1)], "each once, of outline"),
        ([], "mixture of nothing"),
        ([LevelCount("image", 0)], "1 image or more"),
        ([LevelCount("image", None), LevelCount("box", None)], "only one part can take the rest"),
        ([LevelCount("nlp", 1)], "needs the labeller's quality"),
    ],
)
def test_impossible_mixtures_are_refused(tmp_path: Path, parts: list[LevelCount], message: str):
    with pytest.raises(ValueError, match=message):
        mixture(many(), parts, tmp_path, 0)


def test_boxes_cannot_give_outlines(tmp_path: Path):
    with pytest.raises(ValueError, match="1 images at level 'outline' asked, but only 0 are left"):
        mixture(one(boxes=AROUND), [LevelCount("outline", 1)], tmp_path, 0)
    assert first(mixture(one(boxes=AROUND), [LevelCount("box", 1)], tmp_path, 0)).boxes == AROUND


def degrade(folder: Path, *words: str) -> Datalist:
    write_datalist(many(), folder / "in.json")
    assert main(["degrade", str(folder / "in.json"), str(folder / "sub" / "out.json"), *words]) == 0
    return read_datalist(folder / "sub" / "out.json")


def test_the_command_does_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture):
    mixed = degrade(tmp_path, "--mix", "outline=6,image=rest", "--patients", "0.8", "--seed", "1")
    assert len(mixed.sections["training"]) == 80
    assert mixed.sections["training"][0].image.startswith("../")
    assert [step["to"] for step in mixed.provenance["degraded"]] == [
        "0.8 of the patients",
        f"6 images with {LEVELS['outline']} + 74 images with {LEVELS['image']}",
    ]
    assert "degraded: to 0.8 of the patients" in capsys.readouterr().out
    labelled = degrade(tmp_path, "--level", "nlp", "--f1", "Nodule=0.8", "--recall", "0.9")
    facts = labelled.provenance["degraded"][0]["came to"]["training"]
    assert list(facts) == ["Nodule"]
    assert (facts["Nodule"]["recall"], facts["Nodule"]["f1"]) == (0.9, pytest.approx(0.8, abs=0.02))
    assert len(degrade(tmp_path, "--level", "box").sections["training"][1].boxes) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to do: give --patients, --level or --mix"),
        (["--level", "nlp"], "--f1 belongs to the level nlp"),
        (["--level", "box", "--f1", "0.8"], "--f1 belongs to the level nlp"),
        (["--mix", "box=1", "--sections", "test"], "leave out --sections"),
        (["--level", "nlp", "--f1", "Nodul=0.8"], "Did you mean 'Nodule'?"),
    ],
)
def test_wrong_calls_say_what_to_do(tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture):
    write_datalist(many(), tmp_path / "in.json")
    assert main(["degrade", str(tmp_path / "in.json"), str(tmp_path / "out.json"), *words]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--mix", "box"], ["--mix", "dot=3"], ["--f1", "0.8,0.9"], ["--f1", "x"]])
def test_words_that_do_not_parse_are_wrong_calls(tmp_path: Path, words: list[str]):
    with pytest.raises(SystemExit) as caught:
        main(["degrade", "in", "out", *words])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--level", "box", "--precision", "0.8"], "--precision and --recall are of the labeller: they need --f1"),
        (["--level", "box", "--sections", ""], "must name one section or more, each once"),
        (["--level", "box", "--sections", "test,test"], "must name one section or more, each once"),
    ],
)
def test_options_without_effect_are_refused(words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["degrade", "in.json", "out.json", *words]) == 1
    assert message in capsys.readouterr().err


def test_spellings_of_one_patient_are_drawn_together():
    items = [
        Item(f"{number}{mark}.png", f"{number}{mark}", (0, 0)) for number in range(20) for mark in ("", " ", "\u200b")
    ]
    datalist = Datalist("made", ("Nodule", "Mass"), {"training": items, "validation": [], "test": []})
    kept = share_of_patients(datalist, 0.25, 0).sections["training"]
    assert len(kept) == 15
    assert len({item.patient.strip(" \u200b") for item in kept}) == 5
