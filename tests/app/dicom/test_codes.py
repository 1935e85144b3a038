import pytest
from pydicom.sr._concepts_dict import concepts

from app.dicom.codes import CHEST, FINDING, ORGAN, TUBE, category_of, code_of
from app.findings import VOCABULARY

CODES = {finding: code_of(finding) for finding in VOCABULARY}
ALL = (*CODES.values(), FINDING, TUBE, ORGAN, CHEST)

# Verhoeff's tables of multiplication and permutation (dihedral group D5), from his thesis of 1969.
_TIMES = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6]]
_TIMES += [[3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1]]
_TIMES += [[6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4]]
_TIMES += [[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]
_FIRST = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def verhoeff(digits):
    """0 if the last digit is the right check digit of the others."""
    check, permutation = 0, list(range(10))
    for digit in reversed(digits):
        check = _TIMES[check][permutation[int(digit)]]
        permutation = [permutation[_FIRST[each]] for each in range(10)]
    return check


def test_every_finding_has_a_code_of_its_own():
    assert len({code[:2] for code in CODES.values()}) == len(VOCABULARY)


@pytest.mark.parametrize("finding", VOCABULARY)
def test_a_code_fits_into_its_element(finding):
    code = CODES[finding]
    assert 0 < len(code.value) <= 16
    assert 0 < len(code.meaning) <= 64


def test_the_check_digit_finds_codes_that_circulate_and_are_wrong():
    # Written for consolidation and pleural thickening in public code; SNOMED CT has neither.
    assert verhoeff("95436003")
    assert verhoeff("78381009")


@pytest.mark.parametrize("code", [each for each in ALL if each.scheme == "SCT"])
def test_codes_of_snomed_have_their_check_digit(code):
    assert verhoeff(code.value) == 0


@pytest.mark.parametrize("code", [each for each in ALL if "CID" in each.source])
def test_codes_of_context_groups_are_in_them(code):
    # pydicom's dictionary of PS3.16, made by a program from the standard's text.
    groups = [entry[code.value][1] for entry in concepts[code.scheme].values() if code.value in entry]
    assert int(code.source.split()[1]) in {group for each in groups for group in each}


def test_codes_of_a_users_own_findings_differ():
    names = ["Air bronchogram", "Air bronchograms", "Air-bronchogram", "AIR BRONCHOGRAM", "肺炎", "結核"]
    codes = {code_of(name)[:2] for name in names}
    assert len(codes) == len(names)
    assert all(scheme == "99FRUGAL" and value.isascii() and len(value) <= 16 for value, scheme in codes)


def test_categories():
    assert (category_of("Nodule"), category_of("Chest Drain"), category_of("Heart")) == (FINDING, TUBE, ORGAN)
