import pytest

from app.datalist.people import caseless, normalised


@pytest.mark.parametrize(
    ("spelt", "meant"),
    [
        ("1 ", "1"),
        ("\t1\n", "1"),
        ("\u00a01", "1"),
        ("1\u200b", "1"),
        ("\ufeff1", "1"),
        ("1\u200d2", "12"),
        ("1\u00ad2", "12"),
        ("1\x002", "12"),
        ("1\ufe0f", "1"),
        ("1\U000e0100", "1"),  # a variation selector
        ("1\u3164\uffa0\u115f2", "12"),  # the fillers of Hangul
        ("1\u2800", "1"),  # the blank of Braille
        ("Mu\u0308ller", "M\u00fcller"),
        ("Mu\u200b\u0308ller", "M\u00fcller"),
        ("\uff11\uff12", "12"),
        ("A  1", "A 1"),
        ("A\u20281", "A 1"),
    ],
)
def test_spellings_of_one_patient_are_one(spelt: str, meant: str) -> None:
    assert normalised(spelt) == meant
    assert normalised(normalised(spelt)) == meant


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("1", "1."), ("A1", "a1"), ("A 1", "A1"), ("1-2", "12")])
def test_what_may_be_two_patients_stays_two(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize(("one", "other"), [("A1", "a1"), ("STRASSE", "stra\u00dfe"), ("\u00dc1 ", "u\u03081")])
def test_caseless_takes_capitals_and_small_letters_alike(one: str, other: str) -> None:
    assert caseless(one) == caseless(other)
