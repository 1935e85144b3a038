"""Images of some findings alone with as many normal ones, and findings taken as one: by hand and on the real table."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.annotations.merging import LOST, merged, merged_label
from app.annotations.subset import only_with
from app.cli import main
from app.datalist.file import read_datalist
from app.datalist.item import SECTIONS, Box, Datalist, Item
from app.datalist.run_lengths import decode, encode, rectangles
from app.datalist.validate import problems

FINDINGS = ("Nodule", "Effusion", "Mass")
LABELS = {
    "nodule": (1, 0, 0),
    "mass": (0, 0, 1),
    "both": (1, 0, 1),
    "certain": (0.75, 0, 0),
    "with_effusion": (1, 1, 0),
    "effusion": (0, 1, 0),
    "unsure": (-1, 0, 0),
    "unsure_of_other": (1, -1, 0),
    "half": (0, 0.5, 0),
    "unsaid": (0, -2, 0),
    "unsaid_of_other": (1, -2, 0),
}
CHOSEN = {"nodule", "mass", "both", "certain", "unsaid_of_other"}
NORMALS = {f"normal{number}" for number in range(20)}


def made(**sections: list[Item]) -> Datalist:
    items = [Item(name, name, label) for name, label in LABELS.items()]
    items += [Item(name, name, (0, 0, 0)) for name in sorted(NORMALS)]
    return Datalist("made", FINDINGS, {"training": items, "validation": [], "test": [], **sections}, "Made.")


def images(datalist: Datalist, section: str = "training") -> set[str]:
    return {item.image for item in datalist.sections[section]}


def test_images_of_some_findings_alone_with_as_many_normal_ones():
    chosen = only_with(made(), ["nodule", "Mass"], "equal", seed=0)
    assert images(chosen) & LABELS.keys() == CHOSEN
    assert len(images(chosen) & NORMALS) == len(CHOSEN) == 5
    assert chosen.provenance["counts"] == {
        "images with nodule or Mass alone": 5,
        "images without any finding, drawn at random": 5,
        "left out: images with other findings": 2,
        "left out: images of which it is not known": 4,  # unsure, unsure_of_other, half, unsaid
        "left out: images without any finding that were not drawn": 15,
    }


def test_the_draw_of_normal_images_follows_from_the_seed_alone():
    turned = made()
    random.Random(5).shuffle(turned.sections["training"])
    draws = [images(only_with(made(), ["Nodule", "Mass"], "equal", seed)) for seed in range(6)]
    assert images(only_with(turned, ["Nodule", "Mass"], "equal", 0)) == draws[0]
    assert len({frozenset(draw) for draw in draws}) == 6


@pytest.mark.parametrize(("normals", "count"), [(0, 0), (3, 3), (20, 20), ("all", 20)])
def test_so_many_normal_images_as_asked(normals: int | str, count: int):
    assert len(images(only_with(made(), ["Nodule", "Mass"], normals, 0)) & NORMALS) == count


def test_a_data_sets_own_sections_have_as_many_normal_images_each():
    test = [Item("t1", "t1", (1, 0, 0)), *(Item(f"n{n}", f"n{n}", (0, 0, 0)) for n in range(9))]
    chosen = only_with(made(test=test), ["Nodule", "Mass"], "equal", 0)
    assert [len(chosen.sections[section]) for section in SECTIONS] == [10, 0, 2]


def test_no_finding_that_is_a_column_says_normal():
    items = [Item("normal", "a", (1, -2, -2)), Item("nodule", "b", (-2, 1, -2)), Item("unsure", "c", (1, -1, -2))]
    datalist = Datalist("made", ("No Finding", "Nodule", "Edema"), {"training": items, "validation": [], "test": []})
    assert images(only_with(datalist, ["Nodule"], "all", 0)) == {"normal", "nodule"}


def test_what_cannot_be_chosen_is_told():
    with pytest.raises(ValueError, match="made: 21 images without any finding asked, but there are 20"):
        only_with(made(), ["Nodule", "Mass"], 21, 0)
    with pytest.raises(ValueError, match=r"unknown finding 'Nodul'\. Did you mean 'Nodule'"):
        only_with(made(), ["Nodul"], "equal", 0)
    few = replace(made(), sections={"training": made().sections["training"][5:9], "validation": [], "test": []})
    with pytest.raises(ValueError, match="made: on no image is Nodule or Mass present and nothing else"):
        only_with(few, ["Nodule", "Mass"], "equal", 0)


@pytest.mark.parametrize(
    ("values", "one"),
    [
        ((1, 0), 1),
        ((1, -1), 1),
        ((-2, 1), 1),
        ((0, 0), 0),
        ((0, -1), -1),
        ((0, -2), -2),
        ((-1, -2), -1),
        ((0.25, 0.75), 0.75),
        ((0.25, -1), -1),
        ((0.75, -2), 0.75),
    ],
)
def test_labels_of_several_findings_as_one(values: tuple[float, ...], one: float):
    assert merged_label(values) == merged_label(values[::-1]) == one


def test_merged_findings_stand_in_place_of_the_first():
    one = merged(made(), "Nodule or Mass", ["nodule", "mass"])
    assert one.findings == ("Nodule or Mass", "Effusion")
    assert {item.image: item.label for item in one.sections["training"]}["mass"] == (1, 0)
    assert merged(made(), "Mass", ["Effusion", "Mass"]).findings == ("Nodule", "Mass")
    assert made().findings == FINDINGS


def item_of(label: tuple[float, ...], boxes: str, annotated: tuple[str, ...]) -> Item:
    found = tuple(Box(finding, place, 0, 1, 1) for place, finding in enumerate(boxes.split()))
    return Item("1.png", "p", label, boxes=found, annotated=annotated)


@pytest.mark.parametrize(
    ("label", "boxes", "annotated", "left", "asked"),
    [
        ((1, 1, 1), "Nodule Mass Effusion", FINDINGS, "N Effusion N", ("Effusion", "N")),
        ((1, 0, 0), "Nodule", ("Nodule",), "N", ("N",)),
        # Where the mass is, nobody said: the nodule's box alone would say that there is nothing elsewhere.
        ((1, 0, 1), "Nodule", ("Nodule",), "", ()),
        ((1, 0, -1), "Nodule", ("Nodule",), "", ()),
        ((0, 0, 0), "", ("Nodule", "Mass"), "", ("N",)),
        ((1, 1, 0), "Effusion", ("Effusion",), "Effusion", ("Effusion",)),
    ],
)
def test_locations_of_merged_findings(label, boxes, annotated, left, asked):
    datalist = Datalist(
        "made", FINDINGS, {"training": [item_of(label, boxes, annotated)], "validation": [], "test": []}
    )
    one = merged(datalist, "N", ["Nodule", "Mass"])
    (item,) = one.sections["training"]
    assert Counter(box.finding for box in item.boxes) == Counter(left.split())
    assert item.annotated == asked
    assert one.provenance.get("counts", {}).get(LOST, 0) == int("Nodule" in annotated and not asked)
    assert problems(one) == []


def test_masks_of_merged_findings_are_their_union():
    nodule, mass = (rectangles([Box("", x, 1, 2, 2)], (6, 8)) for x in (1, 2))
    item = Item("1.png", "p", (1, 0, 1), mask={"Nodule": nodule, "Mass": mass}, annotated=("Nodule", "Mass"))
    datalist = Datalist("made", FINDINGS, {"training": [item], "validation": [], "test": []})
    (one,) = merged(datalist, "N", ["Nodule", "Mass"]).sections["training"]
    assert one.mask == {"N": encode(decode(nodule) | decode(mass))}
    item.mask = {"Nodule": "a.png", "Mass": mass}
    with pytest.raises(ValueError, match=r"1\.png: has mask files of several findings that are merged"):
        merged(datalist, "N", ["Nodule", "Mass"])


def test_what_cannot_be_merged_is_told():
    with pytest.raises(ValueError, match="a finding is named twice in Nodule, nodule"):
        merged(made(), "N", ["Nodule", "nodule"])
    with pytest.raises(ValueError, match="has a finding 'Effusion' of its own"):
        merged(made(), "Effusion", ["Nodule", "Mass"])
    with pytest.raises(ValueError, match="unknown finding 'Masse'"):
        merged(made(), "N", ["Nodule", "Masse"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--merge", "Nodule=Mass"], "one name and two findings"),
        (["--merge", "Nodule+Mass"], "findings on both sides of '='"),
        (["--only", "Mass", "--normals", "many"], "a number from 0, 'equal' or 'all'"),
    ],
)
def test_wrong_calls(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        main(["datalist", "nih", "--tables", str(tmp_path), "--out", "l.json", *words])
    assert message in capsys.readouterr().err
    assert main(["datalist", "nih", "--tables", str(tmp_path), "--out", "l.json", "--normals", "3"]) == 1
    assert "--normals belongs to --only" in capsys.readouterr().err


def test_nodules_and_masses_alone_of_chestxray14(frugal_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    out = tmp_path / "nodules.json"
    words = ["--only", "Nodule,Mass", "--merge", "Nodule or Mass=Nodule+Mass", "--findings", "Nodule or Mass"]
    assert main(["datalist", "nih", "--tables", str(frugal_data / "tables"), "--out", str(out), *words]) == 0
    told = capsys.readouterr().out
    # Counted with `cut` and `grep` in the table: 2,705 Nodule, 2,139 Mass, 396 Mass|Nodule, 60,361 No Finding.
    assert "images with Nodule or Mass alone: 5240" in told
    assert "images without any finding that were not drawn: 55121" in told
    datalist = read_datalist(out)
    assert datalist.findings == ("Nodule or Mass",)
    labels = Counter(item.label for item in datalist.items())
    assert labels == {(1,): 5240, (0,): 5240}
    views = Counter(item.view for item in datalist.items() if item.label == (1,))
    # The paper has 3,609, which no choice that it tells of gives; PA views alone come near.
    assert views == {"PA": 3576, "AP": 1664}
