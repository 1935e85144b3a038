"""The list to read again, and what comes back."""

import csv
from pathlib import Path

import pytest

from app.auditing.applying import Reread, Rereading, apply, measure, measured_lines, read_rereading
from app.auditing.audit import Doubt
from app.auditing.rereading import CONTROL, SUSPICIOUS, choose, write_list
from app.datalist.item import Box, Datalist, Item
from app.datalist.validate import problems


def doubts(count: int) -> list[Doubt]:
    items = [Item(f"{n:03}.png", f"p{n // 2}", (float(n % 2),), source="reports") for n in range(count)]
    return [Doubt(item, "Nodule", item.label[0], 1 - n / count, n / count, 0.5, n + 1) for n, item in enumerate(items)]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Path, list[dict[str, str]]]:
    """A list of 20 of 200 labels with its key, and the rows of the list."""
    path, key = write_list(choose(doubts(200), 10, 0.5, 0.2, seed=0), tmp_path)
    return path, key, list(csv.DictReader(path.open()))


def fill(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_budget_and_control_sample():
    readings = choose(doubts(200), 10, 0.5, 0.2, seed=0)
    suspicious = [reading for reading in readings if reading.part == SUSPICIOUS]
    control = [reading for reading in readings if reading.part == CONTROL]
    # By hand: 10 minutes pay for 20 labels, a fifth of which are drawn from the other 184.
    assert sorted(reading.doubt.rank for reading in suspicious) == list(range(1, 17))
    assert [reading.stands_for for reading in control] == [184 / 4] * 4
    assert all(reading.doubt.rank > 16 for reading in control)


def test_the_order_tells_nothing():
    ranks = [reading.doubt.rank for reading in choose(doubts(400), 100, 0.5, 0.2, seed=1) if reading.part == SUSPICIOUS]
    assert ranks != sorted(ranks)
    first, second = ranks[: len(ranks) // 2], ranks[len(ranks) // 2 :]
    # Means of 80 random ranks of 1 to 160 differ by less than 4 standard deviations, 4 x 46 x root(2/80).
    assert abs(sum(first) / len(first) - sum(second) / len(second)) < 30


def test_the_control_sample_represents_all_that_is_left():
    # Drawn 300 times, each of the 8 labels that are left is in about half of the samples of 4 (binomial, 5 sigma).
    drawn = [0] * 10
    for seed in range(300):
        for reading in choose(doubts(10), 6, 1, 0.7, seed):
            drawn[reading.doubt.rank - 1] += 1
    assert drawn[:2] == [300, 300]
    assert all(107 < count < 193 for count in drawn[2:])


def test_the_reader_sees_neither_score_nor_label_nor_part(written):
    path, _, rows = written
    assert list(rows[0]) == ["number", "image", "finding", "label", "reader"]
    assert {(row["label"], row["reader"]) for row in rows} == {("", "")}
    assert "control" not in path.read_text()


@pytest.mark.parametrize(("minutes", "each", "control"), [(0.9, 0.5, 0.2), (10, 0, 0.2), (10, 0.5, 0), (10, 0.5, 1)])
def test_budgets_that_make_no_list(minutes, each, control):
    with pytest.raises(ValueError, match=r"--minutes|--control"):
        choose(doubts(20), minutes, each, control, seed=0)


def test_labels_come_back_with_their_source(written):
    path, key, rows = written
    for row in rows:
        row |= {"label": str(1 - int(row["image"][:3]) % 2), "reader": "R1"}  # every label was wrong
    rows[0]["label"], rows[1]["label"], rows[2]["reader"] = "?", "", ""
    fill(path, rows)
    reread = read_rereading(path, key, "R2")
    assert (len(reread.read), reread.unread, reread.rest) == (19, 1, pytest.approx(184))
    before = Datalist.unsplit("wards", ("Nodule",), [doubt.item for doubt in doubts(200)])
    after = {item.image: item for item in apply(before, reread.read).items()}
    assert after[rows[0]["image"]].label == (-1,)
    assert after[rows[1]["image"]].source == "reports"
    assert after[rows[2]["image"]].source == "reports; Nodule read again by R2"
    assert after[rows[3]["image"]].label == (1 - int(rows[3]["image"][:3]) % 2,)
    unread = set(after) - {row["image"] for row in rows}
    assert all(after[item.image] == item for item in before.items() if item.image in unread)


def test_locations_follow_the_labels():
    items = [
        Item(
            "a.png",
            "1",
            (1, 1),
            boxes=(Box("Mass", 0, 0, 1, 1), Box("Nodule", 0, 0, 1, 1)),
            annotated=("Mass", "Nodule"),
        ),
        Item("b.png", "2", (0, 0), annotated=("Mass", "Nodule")),
        Item("c.png", "3", (1, 1), boxes=(Box("Nodule", 0, 0, 1, 1),), annotated=("Nodule",)),
    ]
    readings = [("a.png", 1, 0), ("b.png", 0, 1), ("c.png", 1, -1)]
    rereads = [Reread(image, "", "Nodule", given, label, "R1", CONTROL) for image, given, label in readings]
    result = apply(Datalist.unsplit("wards", ("Mass", "Nodule"), items), rereads)
    a, b, c = result.items()
    assert problems(result) == []
    assert (a.label, a.boxes, a.annotated) == ((1, 0), (Box("Mass", 0, 0, 1, 1),), ("Mass", "Nodule"))  # now nowhere
    assert (b.label, b.annotated) == ((0, 1), ("Mass",))  # somewhere, nobody knows where
    assert (c.label, c.boxes, c.annotated) == ((1, -1), (), ())
    assert result.provenance["counts"] == {
        "labels read again": 3,
        "labels changed by reading again": 3,
        "left out: locations of findings that are not present when read again": 2,
    }


def test_what_re_reading_measures():
    # By hand: 6 of 8 suspicious labels are wrong, 1 of 10 in the control sample, which stands for 200.
    labels = [(SUSPICIOUS, 0)] * 6 + [(SUSPICIOUS, 1)] * 2 + [(SUSPICIOUS, -1)] + [(CONTROL, 0)] + [(CONTROL, 1)] * 9
    read = [Reread(f"{n}.png", str(n), "Nodule", 1, label, "R1", part) for n, (part, label) in enumerate(labels)]
    measured = measure(Rereading(read, 2, 200.0))
    assert measured.counts == {SUSPICIOUS: (6, 8, 1), CONTROL: (1, 10, 0)}
    assert measured.precision[SUSPICIOUS].value == 0.75
    # Wilson's interval of 1 in 10 at 95% is 0.0179 to 0.4042.
    assert measured.total is not None
    assert measured.total.value == pytest.approx(6 + 200 * 0.1)
    assert measured.total.upper == pytest.approx(6 + 200 * 0.4042, abs=0.02)
    lines = measured_lines(measured, 2)
    assert lines[0].startswith("suspicious: 6 of 8 labels were wrong, 75% (95%: ")
    assert lines[0].endswith("1 readings were uncertain.")
    assert "2 labels of the list were not read" in lines[-1]


def test_without_a_control_sample_the_total_is_open():
    assert measure(Rereading([Reread("a", "a", "Nodule", 1, 0, "R1", SUSPICIOUS)], 0, 9.0)).total is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "perhaps"}, "label 'perhaps' must be 1, 0, -1"),
        ({"label": "1", "image": "999.png"}, "is not in .*reread_key.csv"),
        ({"label": "1", "number": "2"}, "is not in|is there twice"),
        ({"label": "1"}, "who read it"),
        ({}, "no label is filled in"),
    ],
)
def test_lists_that_are_refused(written, change, message):
    path, key, rows = written
    rows[0] |= change
    fill(path, rows)
    with pytest.raises(ValueError, match=message):
        read_rereading(path, key, "")


def test_a_list_of_other_labels_is_refused():
    datalist = Datalist.unsplit("wards", ("Nodule",), [Item("a.png", "1", (1,))])
    with pytest.raises(ValueError, match="is labelled 1, but 0 was doubted"):
        apply(datalist, [Reread("a.png", "1", "Nodule", 0, 1, "R1", CONTROL)])
    with pytest.raises(ValueError, match=r"has no image b\.png"):
        apply(datalist, [Reread("b.png", "1", "Nodule", 0, 1, "R1", CONTROL)])
    with pytest.raises(ValueError, match="has no finding 'Mass'"):
        apply(datalist, [Reread("a.png", "1", "Mass", 0, 1, "R1", CONTROL)])
