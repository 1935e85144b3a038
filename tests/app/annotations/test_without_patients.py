"""One datalist's patients taken out of another, in whatever spelling."""

from pathlib import Path

import pytest

from app.annotations.subset import without_patients
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import SECTIONS, Datalist, Item


def made(name: str, training: str, test: str = "") -> Datalist:
    """A patient a word; every patient has two images."""
    sections = {
        section: [
            Item(f"{section}{number}_{image}.png", patient.replace("_", " "), (1,))
            for number, patient in enumerate(words.split("|"))
            for image in range(2)
            if patient
        ]
        for section, words in zip(SECTIONS, (training, "", test), strict=True)
    }
    return Datalist(name, ("Chest Drain",), sections, f"{name}.")


def patients(datalist: Datalist) -> list[set[str]]:
    return [{item.patient for item in datalist.sections[section]} for section in SECTIONS]


def test_every_image_of_their_patients_goes_and_sections_stay():
    left = without_patients(made("all", "1|2|3|4", "5|6"), [made("expert", "9|2", "6"), made("third", "3")])
    assert patients(left) == [{"1", "4"}, set(), {"5"}]
    assert left.provenance["counts"] == {
        "left out: images of patients who are in expert and third": 6,
        "left out: patients who are in expert and third": 3,
    }
    assert left.description == "all. Without the patients of expert and third."


@pytest.mark.parametrize("spelt", ["2_", "_2", "\u200b2", "2\ufe0f", "\uff12", "2\x00", "2\u00a0"])
def test_a_patient_is_known_in_any_spelling(spelt: str):
    assert patients(without_patients(made("all", "1|2"), [made("expert", spelt)]))[0] == {"1"}
    assert patients(without_patients(made("all", f"1|{spelt}"), [made("expert", "2")]))[0] == {"1"}


def test_composed_and_decomposed_letters_are_one():
    assert patients(without_patients(made("all", "1|Mu\u0308ller"), [made("expert", "M\u00fcller")]))[0] == {"1"}


def test_names_that_differ_in_capitals_alone_stay_and_are_told():
    left = without_patients(made("all", "a1|b2|c3"), [made("expert", "A1|b2")])
    assert patients(left)[0] == {"a1", "c3"}
    told = "kept: patients whose name differs in capitals alone from one left out"
    assert left.provenance["counts"][told] == 1


def test_nothing_left_is_an_error_and_nothing_taken_is_told():
    with pytest.raises(ValueError, match="all: nothing is left, all of its patients are in expert"):
        without_patients(made("all", "1|2"), [made("expert", "1|2|3")])
    left = without_patients(made("all", "1|2"), [made("expert", "3")])
    assert left.provenance["counts"]["left out: images of patients who are in expert"] == 0


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    (tmp_path / "deep").mkdir()
    write_datalist(made("all", "1|2|3"), tmp_path / "all.json")
    write_datalist(made("expert", "2"), tmp_path / "expert.json")
    words = ["datalist", "without", str(tmp_path / "all.json"), str(tmp_path / "expert.json")]
    assert main([*words, "--out", str(tmp_path / "deep" / "left.json")]) == 0
    assert "left out: images of patients who are in expert: 2" in capsys.readouterr().out
    left = read_datalist(tmp_path / "deep" / "left.json")
    assert patients(left)[0] == {"1", "3"}
    assert left.sections["training"][0].image == "../training0_0.png"
