"""What a datalist holds, counted by hand on a small one, and choosing findings of it."""

import re

import pytest

from app.datalist.choosing import choose_findings
from app.datalist.holdings import co_occurrence, holdings
from app.datalist.item import Box, Datalist, Item
from app.datalist.showing import holdings_csv, summary, table
from app.datalist.validate import problems


@pytest.fixture
def datalist() -> Datalist:
    box = Box("Nodule", 1, 2, 3, 4)
    training = [
        Item("1.png", "1", (1, 1, -2), study="1-0", view="PA", boxes=(box, box), annotated=("Nodule", "Mass")),
        Item("2.png", "1", (0, -1, 0), study="1-0", view="AP", annotated=("Nodule",), boxes=(box,)),
        Item("3.png", "2", (1, 0.5, 0), view="PA", annotated=("Nodule",), mask={"Mass": "m.png"}),
    ]
    training[2].annotated = ("Nodule", "Mass")
    return Datalist(
        "made",
        ("Nodule", "Mass", "Hernia"),
        {"training": training, "validation": [], "test": [Item("4.png", "3", (0, 0, 1))]},
        "by hand",
        {"counts": {"rows": 4}},
    )


def test_counts_by_hand(datalist: Datalist):
    held = holdings(datalist)
    assert list(held) == ["training", "test"]
    training = held["training"]
    assert (training.images, training.patients, training.studies, training.views) == (3, 2, 1, {"PA": 2, "AP": 1})
    nodule, mass, hernia = training.findings.values()
    assert nodule.states == {"present": 2, "absent": 1, "uncertain": 0, "not said": 0, "certainty": 0}
    assert (nodule.located, nodule.nowhere, nodule.boxes, nodule.masks) == (2, 1, 3, 0)
    assert (nodule.present_nowhere, nodule.absent_located) == (1, 1)
    assert mass.states == {"present": 1, "absent": 0, "uncertain": 1, "not said": 0, "certainty": 1}
    assert (mass.located, mass.nowhere, mass.masks) == (1, 1, 1)
    assert hernia.states["not said"] == 1
    assert held["test"].views == {"unknown": 1}


def test_co_occurrence_by_hand(datalist: Datalist):
    assert co_occurrence(datalist) == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_the_table_tells_all(datalist: Datalist):
    text = table(datalist)
    assert summary(datalist) in text
    assert "training: 3 images of 2 patients in 1 studies, 3 boxes, 1 masks; views: PA 2, AP 1" in text
    assert "rows: 4" in text
    assert "Note: images labelled present but annotated as nowhere: Nodule 1, Mass 1" in text
    assert "Note: images labelled absent but located: Nodule 1" in text
    assert re.search(r"^Nodule +training +2 +1 +0 +0 +0 +2 +1 +3 +0$", text, re.M)
    assert re.search(r"^2 Mass +1 +1 +0$", text, re.M)


def test_the_csv_table_by_hand(datalist: Datalist):
    assert holdings_csv(datalist).split() == [
        "finding,section,present,absent,uncertain,not_said,certainty,located,nowhere,boxes,masks",
        "Nodule,training,2,1,0,0,0,2,1,3,0",
        "Nodule,test,0,1,0,0,0,0,0,0,0",
        "Nodule,all,2,2,0,0,0,2,1,3,0",
        "Mass,training,1,0,1,0,1,1,1,0,1",
        "Mass,test,0,1,0,0,0,0,0,0,0",
        "Mass,all,1,1,1,0,1,1,1,0,1",
        "Hernia,training,0,2,0,1,0,0,0,0,0",
        "Hernia,test,1,0,0,0,0,0,0,0,0",
        "Hernia,all,1,2,0,1,0,0,0,0,0",
    ]
    assert holdings_csv(Datalist.unsplit("none", ("Nodule",), [])).split()[1:] == ["Nodule,all" + 9 * ",0"]


def test_the_table_of_an_empty_datalist():
    assert table(Datalist.unsplit("none", ("Nodule",), [])) == "none: \n  nothing in: training, validation, test"


def test_choosing_findings_takes_their_locations_along(datalist: Datalist):
    chosen = choose_findings(datalist, ("mass", "Nodule"))
    assert chosen.findings == ("Mass", "Nodule")
    first, _, third = chosen.sections["training"]
    assert (first.label, len(first.boxes), first.annotated) == ((1, 1), 2, ("Nodule", "Mass"))
    assert third.mask == {"Mass": "m.png"}
    only = choose_findings(datalist, ("Hernia",)).sections["training"]
    assert all((item.boxes, item.mask, item.annotated) == ((), {}, ()) for item in only)
    assert problems(chosen) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [(("Nodul",), "unknown finding 'Nodul'. Did you mean 'Nodule'"), (("Mass", "mass"), "named twice")],
)
def test_a_wrong_choice_is_refused(datalist: Datalist, names: tuple[str, ...], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        choose_findings(datalist, names)
