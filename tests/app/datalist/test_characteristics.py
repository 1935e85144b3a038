"""Who the patients are: numbers by section, with nothing that identifies one."""

import json

from app.datalist.characteristics import characteristics, spread
from app.datalist.item import Datalist, Item


def item(number: int, patient: str, label: tuple[float, ...] = (0,), **attributes) -> Item:
    return Item(f"{number}.png", patient, label, f"s{number}", "PA", source="reader", attributes=attributes)


def test_patients_count_once_with_their_lowest_age():
    items = [
        item(1, "a", (1,), age=60, sex="F"),
        item(2, "a", (0,), age=58, sex="F"),
        item(3, "b", (-1,), age=40, sex="M"),
        item(4, "b", (-2,), sex="F"),
        item(5, "c", (0.5,)),
    ]
    made = characteristics(Datalist.unsplit("made", ("Nodule",), items))
    assert list(made) == ["training"]  # the others are empty
    section = made["training"]
    assert (section["images"], section["patients"], section["studies"]) == (5, 3, 5)
    # By hand: patients have 2, 2 and 1 images; ages are 58 and 40, and one is unknown.
    assert section["images_of_patient"] == {"count": 3, "least": 1, "lower": 1.5, "median": 2, "upper": 2, "most": 2}
    assert section["age"] == {
        **{"count": 2, "least": 40, "lower": 44.5, "median": 49, "upper": 53.5, "most": 58},
        "unknown": 1,
    }
    assert section["sex"] == {"F": 1, "differs between images": 1, "unknown": 1}
    assert section["view"] == {"PA": 5}
    assert section["source"] == {"reader": 5}
    states = {"present": 1, "absent": 1, "uncertain": 1, "not said": 1, "certainty": 1}
    patients = {"present_patients": 1, "absent_patients": 1}
    assert section["findings"]["Nodule"].items() >= (states | patients | {"located": 0}).items()


def test_ages_above_90_and_names_are_not_told():
    items = [item(n, f"Mustermann{n}", age=91 + n) for n in range(3)]
    section = characteristics(Datalist.unsplit("made", ("Nodule",), items))["training"]
    assert section["age"]["most"] == 90
    many = [Item(f"{n}.png", f"p{n}", (0,), source=f"Dr. {n}") for n in range(21)]
    assert characteristics(Datalist.unsplit("made", ("Nodule",), many))["training"]["source"] == {"21 values": 21}
    assert "Mustermann" not in json.dumps(section)


def test_an_age_that_is_no_number_of_years_is_unknown():
    items = [item(1, "a", age=-1), item(2, "b", age=True), item(3, "c", age="old")]
    section = characteristics(Datalist.unsplit("made", ("Nodule",), items))["training"]
    assert section["age"] == {"count": 0, "unknown": 3}


def test_spread_of_one_value_and_of_none():
    assert spread([]) == {"count": 0}
    assert spread([4]) == {"count": 1, "least": 4, "lower": 4, "median": 4, "upper": 4, "most": 4}
