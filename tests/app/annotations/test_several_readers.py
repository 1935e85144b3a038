"""Several readers combined: votes and boxes made by hand, and VinDr-CXR's as counted."""

from pathlib import Path

import pytest

from app.annotations.several_readers import agreed_boxes, overlap, read_together, with_agreed_boxes, with_votes
from app.annotations.voting import any_of, majority
from app.datalist.item import Box, Datalist, Item


def box(x: float, reader: str, y: float = 0, side: float = 10) -> Box:
    return Box("Nodule", x, y, side, side, reader)


def test_overlap_is_intersection_over_union():
    assert overlap(box(0, "a"), box(5, "b")) == pytest.approx(50 / 150)
    assert overlap(box(0, "a"), box(10, "b")) == 0
    assert overlap(box(0, "a"), box(2, "b", 2, 5)) == pytest.approx(0.25)


AGREEMENTS = {
    "two at one place": ([box(0, "a"), box(2, "b"), box(50, "c")], 2, 0.5, [Box("Nodule", 1, 0, 10, 10)]),
    "one reader twice is one reader": ([box(0, "a"), box(1, "a")], 2, 0.5, []),
    "three": ([box(0, "a"), box(1, "b"), box(2, "c")], 3, 0.5, [Box("Nodule", 1, 0, 10, 10)]),
    # 0 and 6 overlap by a quarter alone: all of a group must overlap each other.
    "a chain is no group": ([box(0, "a"), box(3, "b"), box(6, "c")], 3, 0.5, []),
    "alone": ([box(0, "a"), box(50, "b")], 1, 0.5, [Box("Nodule", 0, 0, 10, 10), Box("Nodule", 50, 0, 10, 10)]),
    "the closest pair": ([box(0, "a"), box(3, "b"), box(4, "c")], 2, 0.5, [Box("Nodule", 3.5, 0, 10, 10)]),
    "exactly the limit": ([box(0, "a"), box(5, "b")], 2, 1 / 3, [Box("Nodule", 2.5, 0, 10, 10)]),
    "two nodules": (
        [box(0, "a"), box(50, "a"), box(52, "b"), box(2, "b")],
        2,
        0.5,
        [Box("Nodule", 1, 0, 10, 10), Box("Nodule", 51, 0, 10, 10)],
    ),
}


@pytest.mark.parametrize("name", AGREEMENTS)
def test_agreed_boxes(name: str):
    boxes, at_least, iou, expected = AGREEMENTS[name]
    assert agreed_boxes(boxes, at_least, iou) == expected


@pytest.mark.parametrize(("at_least", "iou"), [(0, 0.5), (2, 0), (2, 1.1)])
def test_agreement_needs_readers_and_overlap(at_least: int, iou: float):
    with pytest.raises(ValueError, match=r"at least 1 reader, IoU in \(0, 1\]"):
        agreed_boxes([], at_least, iou)


def read(*boxes: Box, readers: str = "a b c", label: tuple[float, ...] = (1, 0)) -> Datalist:
    item = Item("1.png", "p", label, boxes=boxes, annotated=("Nodule", "Mass"), attributes={"readers": readers})
    return Datalist("made", ("Nodule", "Mass"), {"training": [item], "validation": [], "test": []})


def only(datalist: Datalist) -> Item:
    return datalist.sections["training"][0]


def test_a_place_that_is_not_agreed_on_is_not_known():
    agreed = only(with_agreed_boxes(read(box(0, "a"), box(2, "b")), 2, 0.5))
    assert (agreed.label, agreed.boxes, agreed.annotated) == (
        (1, 0),
        (Box("Nodule", 1, 0, 10, 10),),
        ("Nodule", "Mass"),
    )
    alone = with_agreed_boxes(read(box(0, "a")), 2, 0.5)
    assert (only(alone).label, only(alone).boxes, only(alone).annotated) == ((-1, 0), (), ("Mass",))
    absent = only(with_agreed_boxes(read(box(0, "a")), 2, 0.5, otherwise=0))
    assert (absent.label, absent.boxes, absent.annotated) == ((0, 0), (), ("Nodule", "Mass"))


def test_votes_count_readers_who_saw_nothing():
    datalist = read(box(0, "a"), box(50, "b"))
    assert only(with_votes(datalist, majority)).label == (1, 0)
    assert only(with_votes(datalist, majority)).boxes == (box(0, "a"), box(50, "b"))
    assert only(with_votes(datalist, any_of(3))).label == (0, 0)
    assert only(with_votes(datalist, any_of(3))).boxes == ()
    assert only(datalist).label == (1, 0)  # what was given stays as it was


@pytest.mark.parametrize("readers", ["", "b c"])
def test_votes_need_to_know_who_read(readers: str):
    with pytest.raises(ValueError, match=r"1\.png: the attribute 'readers' must name everybody"):
        with_votes(read(box(0, "a"), readers=readers), majority)


def test_datalists_are_read_together():
    first = Datalist("A", ("Nodule", "Mass"), {"training": [Item("x/1.dcm", "p", (1, 0), source="a")]})
    second = Datalist("B", ("Mass", "Nodule"), {"test": [Item("1.png", "q", (0, 1), boxes=(box(1, ""),), source="b")]})
    second.sections["test"][0].annotated = ("Nodule",)
    made = read_together([first, second], majority)
    item = only(made)
    assert (item.image, item.patient, item.label, item.source) == ("x/1.dcm", "p", (1, 0), "a+b")
    assert (item.boxes, item.annotated) == ((box(1, "b"),), ("Nodule",))
    assert made.provenance["counts"] == {"images read by more than one": 1}
    with pytest.raises(ValueError, match="other findings"):
        read_together([first, Datalist("C", ("Nodule",), {})], majority)
    with pytest.raises(ValueError, match="two datalists or more"):
        read_together([first], majority)


def test_vindr_readers_agree_as_counted(frugal_data: Path):
    from app.datasets.vindr import vindr

    datalist = vindr(frugal_data / "tables")
    place = datalist.findings.index("Nodule or Mass")

    def present(made: Datalist) -> int:
        return sum(item.label[place] == 1 for item in made.sections["training"])

    assert len(datalist.sections["training"]) == 15000
    assert present(datalist) == present(with_votes(datalist, any_of(1))) == 826
    assert present(with_votes(datalist, any_of(2))) == present(with_votes(datalist, majority)) == 405
    assert present(with_agreed_boxes(datalist, 2, 0.5)) == 353
