"""One vocabulary of findings: every spelling leads to one name, and an unknown one is told with its neighbour."""

import pytest

from app.findings import (
    ABSENT,
    NO_FINDING,
    NOT_SAID,
    PRESENT,
    TUBES,
    UNCERTAIN,
    VOCABULARY,
    canonical,
    require_known,
)


def test_unknown_states_are_negative_and_apart():
    assert (PRESENT, ABSENT) == (1, 0)
    assert UNCERTAIN < 0
    assert NOT_SAID < 0
    assert UNCERTAIN != NOT_SAID


def test_names_are_unique_and_hold_the_tubes():
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert {*TUBES, NO_FINDING} <= set(VOCABULARY)


@pytest.mark.parametrize("name", VOCABULARY)
def test_a_name_in_any_case_and_separator_is_itself(name):
    for spelling in (name, name.upper(), name.replace(" ", "_"), f"  {name.lower().replace(' ', '-')} "):
        assert canonical(spelling) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Infiltrate", "Infiltration"),  # BBox_List of ChestX-ray14
        ("Pleural_Thickening", "Pleural Thickening"),  # Data_Entry of ChestX-ray14
        ("Pleural Effusion", "Effusion"),  # CheXpert
        ("Nodule/Mass", "Nodule or Mass"),  # VinDr-CXR
        ("ILD", "Interstitial Lung Disease"),  # VinDr-CXR
        ("Pulmonary fibrosis", "Fibrosis"),  # VinDr-CXR
        ("Airspace opacity", "Lung Opacity"),  # the expert labels of ChestX-ray14
        ("NSG tube", "Nasogastric Tube"),  # PadChest
        ("oedema", "Edema"),
        ("infiltrates", "Infiltration"),  # PadChest
        ("pulmonary edema", "Edema"),  # PadChest
        ("chest drain tube", "Chest Drain"),  # PadChest
        ("Chest_drain_tube", "Chest Drain"),  # NEATX
        ("normal", NO_FINDING),  # PadChest
        ("No finding", NO_FINDING),  # VinDr-CXR
        ("Aortic enlargement", "Aortic Enlargement"),  # VinDr-CXR
    ],
)
def test_spellings_of_data_sets(spelling, name):
    assert canonical(spelling) == name


@pytest.mark.parametrize("spelling", ["", "Nodul", "nodule mass", "0"])
def test_what_is_no_spelling_gives_none(spelling):
    assert canonical(spelling) is None


def test_known_names_pass():
    require_known([], ["Nodule"], "train.csv")
    require_known(iter(["Nodule"]), iter(["Mass", "Nodule"]), "train.csv")


def test_an_unknown_name_is_told_with_place_neighbour_and_what_is_known():
    message = r"^train\.csv: unknown finding 'Nodul', 'X'\. Did you mean 'Nodule'\? Known: Mass, Nodule\.$"
    with pytest.raises(ValueError, match=message):
        require_known(["Nodul", "Mass", "X"], ["Mass", "Nodule"], "train.csv")


def test_no_neighbour_is_invented():
    with pytest.raises(ValueError, match=r"^a: unknown finding 'Zzz'\. Known: Mass\.$"):
        require_known(["Zzz"], ["Mass"], "a")
