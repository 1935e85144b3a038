"""RSNA: published counts, and what its verdicts mean on images of ChestX-ray14."""

from pathlib import Path

import pytest

from app.datalist.item import Box, Datalist, Item
from app.datalist.stored_images import keep_stored
from app.datalist.validate import problems
from app.datasets.rsna import FINDING, Reading, challenge, read_rsna, with_readings
from app.files.images import image_files
from app.files.tables import TableError

LABELS = "patientId,x,y,width,height,Target\na,,,,,0\nb,10,20,30,40,1\nb,50,60,70,80,1\nc,,,,,0\n"
MAP = """patientId,nih_image,class_info
a,00000001_000.png,Normal
b,00000002_013.png,Lung Opacity
c,00000003_000.png,No Lung Opacity / Not Normal
"""
OPACITY = (Box(FINDING, 10, 20, 30, 40, "RSNA"),)


def tables_with(folder: Path, labels: str = LABELS, to_nih: str = MAP) -> Path:
    (folder / "stage_2_train_labels.csv").write_text(labels)
    (folder / "rsna_to_nih.csv").write_text(to_nih)
    return folder


def test_an_image_of_the_challenge_becomes_an_item(tmp_path: Path):
    first, second, third = challenge(tables_with(tmp_path)).sections["training"]
    assert (first.image, first.patient, first.study, first.label, first.boxes) == ("a.dcm", "1", "1-0", (0,), ())
    assert (second.patient, second.study, second.label) == ("2", "2-13", (1,))
    assert second.boxes == (OPACITY[0], Box(FINDING, 50, 60, 70, 80, "RSNA"))
    assert all(item.annotated == (FINDING,) for item in (first, second, third))
    assert third.attributes == {"rsna_class": "No Lung Opacity / Not Normal", "nih_image": "00000003_000.png"}


BAD = {
    "no area": ((LABELS.replace("30,40", "0,40"), MAP), "line 3: the box x 10, y 20, width 0, height 40 has no area"),
    "half a box": ((LABELS.replace("30,40", ",40"), MAP), "line 3: 'width' must be a number, not ''"),
    "box without opacity": ((LABELS.replace("c,,,,", "c,1,2,3,4"), MAP), "line 5: Target 0 with a box"),
    "both targets": ((LABELS + "a,1,2,3,4,1\n", MAP), "image 'a' has Target 0 and 1"),
    "another target": ((LABELS.replace(",0\nb", ",2\nb"), MAP), "'Target' must be one of '0', '1', not '2'"),
    "class against target": (
        (LABELS, MAP.replace("Normal\nb", "Lung Opacity\nb")),
        "class 'Lung Opacity', but Target is 0",
    ),
    "unknown class": ((LABELS, MAP.replace("png,Normal", "png,Fine")), "'class_info' must be one of 'Normal'"),
    "image in one table": ((LABELS + "d,,,,,0\n", MAP), "lacks 1 images of the label table, 'd' for one"),
    "image in the other": ((LABELS, MAP + "d,00000003_000.png,Normal\n"), "image 'd' is not in the label table"),
    "image twice": ((LABELS, MAP + "a,00000003_000.png,Normal\n"), "image 'a' is named twice"),
    "tables swapped": ((MAP, LABELS), "It looks like the map from RSNA to ChestX-ray14"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_says_where_and_why(tmp_path: Path, name: str):
    (labels, to_nih), message = BAD[name]
    with pytest.raises(TableError) as caught:
        read_rsna(tables_with(tmp_path, labels, to_nih))
    assert message in str(caught.value)


def nih(*labels: int, boxes: tuple[Box, ...] = ()) -> Datalist:
    annotated = tuple({box.finding for box in boxes})
    items = [
        Item(f"{number}.png", str(number), (label,), boxes=boxes, annotated=annotated, source="ChestX-ray14")
        for number, label in enumerate(labels)
    ]
    return Datalist("made", (FINDING,), {"training": items, "validation": [], "test": []})


SEEN = Reading("s", "0.png", "Lung Opacity", OPACITY)
NOTHING = Reading("n", "0.png", "Normal", ())
# label before, readings, keep labels -> label, boxes, annotated
CASES = {
    "present and boxes": (1, [SEEN], False, (1,), OPACITY, (FINDING,)),
    "absent and nothing: nowhere": (0, [NOTHING], False, (0,), (), (FINDING,)),
    "present but nothing: location unannotated": (1, [NOTHING], False, (1,), (), ()),
    "absent but boxes: present": (0, [SEEN], False, (1,), OPACITY, (FINDING,)),
    "absent but boxes, labels kept: boxes left out": (0, [SEEN], True, (0,), (), ()),
    "two readings, one saw it": (1, [NOTHING, SEEN], False, (1,), OPACITY, (FINDING,)),
    "not read": (1, [], False, (1,), (), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_no_item_contradicts_itself(name: str):
    before, readings, keep_labels, label, boxes, annotated = CASES[name]
    (item,) = with_readings(nih(before), readings, keep_labels).sections["training"]
    assert (item.label, item.boxes, item.annotated) == (label, boxes, annotated)


def test_boxes_of_both_sources_are_told_apart():
    own = Box(FINDING, 1, 2, 3, 4)
    (item,) = with_readings(nih(1, boxes=(own,)), [SEEN], False).sections["training"]
    assert [box.reader for box in item.boxes] == ["ChestX-ray14", "RSNA"]
    assert item.annotated == (FINDING,)
    assert item.source == "ChestX-ray14+RSNA"


def test_published_counts(frugal_data: Path):
    # Shih et al. 2019 and the challenge's own numbers: 26,684 images, 6,012 with opacities, 9,555 boxes.
    datalist = challenge(frugal_data / "tables")
    items = datalist.sections["training"]
    assert len(items) == 26_684
    assert sum(len(item.boxes) for item in items) == 9_555
    assert sum(item.label == (1,) for item in items) == 6_012
    assert items[0].view in ("PA", "AP")
    assert set(items[0].attributes) == {"sex", "age", "rsna_class", "nih_image"}
    assert problems(datalist) == []


def test_the_stored_images(chestxray14_datalist: Datalist, frugal_data: Path):
    # The data folder's README: 278 of 791 images are in RSNA, 107 of them carry 172 boxes, 41 are ChestX-ray14's own.
    datalist, _ = keep_stored(chestxray14_datalist, image_files(frugal_data / "nih" / "images"))
    combined = with_readings(datalist, read_rsna(frugal_data / "tables"), keep_labels=False)
    items = combined.sections["training"]
    drawn = [[box for box in item.boxes if box.reader == "RSNA"] for item in items]
    assert (sum(map(bool, drawn)), sum(map(len, drawn))) == (107, 172)
    assert sum(len(item.boxes) for item in items) == 172 + 41
    counts = combined.provenance["counts"]
    assert counts["RSNA: images read"] == 278
    # Counted apart from this code, by a loop over the two tables: 138 + 33 without and 103 + 4 with an opacity.
    assert [count for what, count in counts.items() if what.startswith("RSNA: ")] == [278, 107, 172, 138, 33, 4]
    place = datalist.findings.index(FINDING)
    assert sum(item.label[place] for item in items) == 418 + 4
    kept = with_readings(datalist, read_rsna(frugal_data / "tables"), keep_labels=True).sections["training"]
    assert sum(item.label[place] for item in kept) == 418
    assert problems(combined) == []
