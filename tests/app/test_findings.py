"""One vocabulary of findings: every spelling leads to one name, and an unknown one is told with its neighbour."""

import re

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
    file_names,
    name_problems,
    require_known,
    safe_names,
)
from app.tracking.names import clean


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


def test_an_unknown_name_is_told_with_place_neighbour_and_what_is_known():
    require_known(iter(["Nodule"]), iter(["Mass", "Nodule"]), "train.csv")  # nothing to tell
    message = r"^train\.csv: unknown finding 'Nodul', 'X'\. Did you mean 'Nodule'\? Known: Mass, Nodule\.$"
    with pytest.raises(ValueError, match=message):
        require_known(["Nodul", "Mass", "X"], ["Mass", "Nodule"], "train.csv")


def test_no_neighbour_is_invented():
    with pytest.raises(ValueError, match=r"^a: unknown finding 'Zzz'\. Known: Mass\.$"):
        require_known(["Zzz"], ["Mass"], "a")


def test_plain_names_stay_as_they_are():
    assert safe_names(VOCABULARY) == {name: name for name in VOCABULARY}
    assert file_names(["Lung Opacity", "COVID-19"]) == {"Lung Opacity": "lung_opacity", "COVID-19": "covid-19"}


ODD = (
    *("Nodule/Mass", "nodule/mass", "NODULE MASS", "Mass?", "Mass!", "Mass", "A/../B", "../x", "..", "Opacity #1", "#"),
    *("x" * 300, "x" * 299 + "y", "肺" * 80, "Épanchement", "a:b*c|d<e>f%g", "con", "C:\\x", "é.png", " Mass ", "-"),
)


def test_odd_names_are_safe_and_unique_in_files_and_metrics():
    files, metrics = file_names(ODD), safe_names(ODD)
    assert len({name.casefold() for name in files.values()}) == len({name.casefold() for name in metrics.values()})
    assert len({name.casefold() for name in files.values()}) == len(ODD)
    for name in (*files.values(), *metrics.values()):
        assert re.fullmatch(r"[\w\- ]+", name)
        assert 0 < len(name.encode()) <= 100
        assert clean(f"test/auc.{name}") == f"test/auc.{name}"  # MLflow takes it as it is


def test_a_name_follows_from_the_findings_alone():
    # The digits are the first eight of the SHA-256 of the name, by `printf %s 'Mass?' | sha256sum`.
    assert safe_names(["Mass?", "Mass!"]) == {"Mass?": "Mass_3b1de1c6", "Mass!": "Mass_64e5d49d"}
    assert safe_names(["Mass?", "Nodule"]) == {"Mass?": "Mass", "Nodule": "Nodule"}
    # A finding that is called as another one would be is told from it.
    assert len(set(file_names(["Mass?", "Mass!", "mass_3b1de1c6"]).values())) == 3


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["Mass", "Mass"], "finding 'Mass' is listed more than once in 'findings'."),
        (["Mass\0"], "finding 'Mass\\x00': a name must not hold the control character '\\x00'."),
        (["Mass\n2"], "a name must not hold the control character '\\n'."),
        (["Mass\x7f"], "a name must not hold the control character '\\x7f'."),
        ([""], "finding '' has no name: it is blank."),
        ([" \u3000"], "has no name: it is blank."),
        (["\u200b"], "finding '\\u200b' has no name: it is blank."),
        (["Macro"], "finding 'Macro': tables of results use this name for something else; rename it."),
        (["value"], "finding 'value': tables of results use this name for something else; rename it."),
        (["Mass", "Mass "], "findings 'Mass' and 'Mass ' look the same: rename one of them."),
        (["Ma\u0301ss", "M\u00e1ss"], "findings 'Ma\\u0301ss' and 'M\\xe1ss' look the same: rename one of them."),
        (["Mass", "Mass\u3164"], "findings 'Mass' and 'Mass\\u3164' look the same: rename one of them."),
        (["\u2800"], "finding '\u2800' has no name: it is blank."),
        (["Mass", "Ma\u200bss"], "findings 'Mass' and 'Ma\\u200bss' look the same: rename one of them."),
    ],
)
def test_names_that_cannot_be_findings(names, problem):
    (found,) = name_problems(names)
    assert problem in found


def test_odd_names_are_no_problem():
    assert name_problems([name for name in ODD if name != " Mass "]) == []
    assert name_problems(VOCABULARY) == []
