"""What data sets say of people: identifiers as they are compared, age and sex as the attributes of subgroups."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from app.files.tables import TableError, number
from app.findings import without_invisible

Attributes = dict[str, str | int | float | bool]

OLDEST = 90
"""Ages above are given as this, so that they identify nobody."""
_IMPLAUSIBLE_AGE = 120
_A_YEAR = {"Y": 1, "M": 12, "W": 52, "D": 365}
"""How many of DICOM's units of age (PS3.5, value representation AS) make a year."""
UNKNOWN = ("", "?", "-", "Unknown", "None", "nan", "O")
_MISSING = frozenset(
    {
        *("", "?", "-", "--", ".", "na", "n/a", "n.a.", "<na>", "nan", "-nan", "nat", "none", "null", "<null>", "nil"),
        *("#n/a", "#na", "#n/a n/a", "#null!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("missing", "undefined", "unknown"),
    }
)
"""Missing values in small letters, those of ``pandas.read_csv`` among them."""
SEXES: Mapping[str, str] = {"F": "F", "M": "M", "FEMALE": "F", "MALE": "M"}


def normalised(patient: str) -> str:
    r"""A patient's identifier in the form in which two are compared, so that one patient is not taken for two.

    Unicode's compatibility composition (NFKC), without characters that nobody sees (zero-width, soft hyphen, byte
    order mark, control), without blanks at the ends, and with one space for each run of blanks inside. Capitals,
    punctuation and leading zeros stay: see :func:`caseless` for the first.

    Example:
        >>> normalised(" 1\u200b ")
        '1'
        >>> normalised("Mu\u0308ller") == normalised("M\u00fcller")
        True
    """
    if patient.isascii() and patient.isprintable():
        return " ".join(patient.split())
    return " ".join(unicodedata.normalize("NFKC", without_invisible(patient)).split())


def caseless(patient: str) -> str:
    """As :func:`normalised`, with capitals and small letters alike; two patients may well differ in case alone.

    Example:
        >>> caseless("A1 ") == caseless("a1")
        True
    """
    return normalised(normalised(patient).casefold())


def is_missing(identifier: str) -> bool:
    """Whether a cell stands for no value: blank, or what pandas, R, Excel and people write for a missing one.

    Example:
        >>> [is_missing(cell) for cell in ("nan", "<NA>", " ", "7")]
        [True, True, True, False]
    """
    return normalised(identifier).casefold() in _MISSING


def patient_of(cell: str, where: str) -> str:
    """A patient's identifier as a table has it, :func:`normalised`.

    Raises:
        TableError: the cell is blank, or says that the patient is not known: all such rows would be one patient.
    """
    if is_missing(cell):
        said = f", {cell.strip()!r}, stands for a missing value" if cell.strip() else " is empty"
        raise TableError(
            f"{where}: the patient's cell{said}, and without patients nobody can keep one out of two splits. Fill it "
            "in, or leave the row out."
        )
    return normalised(cell)


def person(sex: str, age: str, where: str) -> Attributes:
    """``sex`` (F or M) and ``age`` (whole years, 90 for all above), each left out where unknown or implausible.

    Args:
        sex: F, M, female or male in any case; see ``UNKNOWN``.
        age: years as a number, or as DICOM has it: ``058Y``, ``006M``, ``003W``, ``010D``; implausible below 0 and
            above 120.
        where: file and line, for the message.

    Raises:
        TableError: another text.
    """
    attributes: Attributes = {}
    if sex.strip() not in UNKNOWN and not is_missing(sex):
        attributes["sex"] = _sex(sex, where)
    if age.strip() not in UNKNOWN and not is_missing(age):
        years = years_of(age, "age", where)
        if years is not None:
            attributes["age"] = years
    return attributes


def years_of(age: str, column: str, where: str) -> int | None:
    """Whole years of an age that is not empty, 90 for all above; None for an implausible one.

    Raises:
        TableError: neither a number nor DICOM's form of an age.
    """
    text = age.strip()
    unit = text[-1:].upper() if text[:-1].isdecimal() else ""
    years = int(number(text[:-1] if unit in _A_YEAR else text, column, where) // _A_YEAR.get(unit, 1))
    return min(years, OLDEST) if 0 <= years <= _IMPLAUSIBLE_AGE else None


def _sex(cell: str, where: str) -> str:
    from app.files.tables import one_of

    return SEXES[one_of(cell.strip().upper(), tuple(SEXES), "sex", where)]
