"""Patients: identifiers in the form in which they are compared, and age and sex as attributes."""

from __future__ import annotations

import unicodedata

from app.files.tables import TableError, number, one_of
from app.findings import without_invisible

Attributes = dict[str, str | int | float | bool]

OLDEST = 90
"""Higher ages are given as this one, so that they identify nobody."""
_IMPLAUSIBLE_AGE = 120
_PER_YEAR = {"Y": 1, "M": 12, "W": 52, "D": 365}
"""How many of DICOM's units of age (PS3.5, value representation AS) make a year."""
_MISSING = frozenset(
    {
        *("", "?", "-", "--", ".", "na", "n/a", "n.a.", "<na>", "nan", "-nan", "nat", "none", "null", "<null>", "nil"),
        *("#n/a", "#na", "#n/a n/a", "#null!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        *("missing", "undefined", "unknown"),
    }
)
"""Missing values in small letters, those of ``pandas.read_csv`` among them."""
_SEXES = {
    **{"F": "F", "M": "M", "FEMALE": "F", "MALE": "M", "W": "F", "WEIBLICH": "F", "MÄNNLICH": "M", "MAENNLICH": "M"},
    **{"FEMME": "F", "HOMME": "M", "MUJER": "F", "HOMBRE": "M", "VROUW": "F", "MAN": "M", "DONNA": "F", "UOMO": "M"},
    **{"K": "F", "KOBIETA": "F", "MĘŻCZYZNA": "M", "MULHER": "F", "HOMEM": "M"},
    **{"女": "F", "女性": "F", "男": "M", "男性": "M"},
}


def normalised(patient: str) -> str:
    r"""A patient's identifier in the form in which two are compared, so that spelling makes no second patient.

    The form is Unicode's compatibility composition (NFKC) without invisible characters (zero-width, soft hyphen, byte
    order mark, control), without blanks at the ends, and with one space for each run of blanks. Capitals, punctuation
    and leading zeros stay; :func:`caseless` ignores capitals too.

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
    """Like :func:`normalised`, but capitals do not matter; two patients may well differ in them alone.

    Example:
        >>> caseless("A1 ") == caseless("a1")
        True
    """
    return normalised(normalised(patient).casefold())


def is_missing(identifier: str) -> bool:
    """Whether a cell holds no value: it is blank, or what pandas, R, Excel and people write for a missing value.

    Example:
        >>> [is_missing(cell) for cell in ("nan", "<NA>", " ", "7")]
        [True, True, True, False]
    """
    return normalised(identifier).casefold() in _MISSING


def patient_of(cell: str, where: str) -> str:
    """The :func:`normalised` identifier in a table's cell.

    Raises:
        TableError: The cell is blank or stands for a missing value: all such rows would become one patient.
    """
    if is_missing(cell):
        what = f", {cell.strip()!r}, stands for a missing value" if cell.strip() else " is empty"
        raise TableError(
            f"{where}: the patient's cell{what}, and without patients nobody can keep one out of two splits. Fill it "
            "in, or leave the row out."
        )
    return normalised(cell)


def person(sex: str, age: str, where: str) -> Attributes:
    """The attributes ``sex`` (F or M) and ``age`` (whole years, 90 for all above), without those that are unknown.

    Args:
        sex: F, M, female or male in any case, or the like in another language (weiblich, homme); missing values and
            DICOM's ``O`` are unknown.
        age: Years as a number, or in DICOM's form ``058Y``, ``006M``, ``003W``, ``010D``. Below 0 and above 120 it is
            implausible, and so unknown.
        where: File and line, for messages.

    Raises:
        TableError: The sex or age is another text.

    Example:
        >>> person("Female", "097Y", "")
        {'sex': 'F', 'age': 90}
    """
    attributes: Attributes = {}
    if not _is_unknown(sex):
        attributes["sex"] = _SEXES[one_of(sex.strip().upper(), tuple(_SEXES), "sex", where)]
    if not _is_unknown(age):
        years = years_of(age, "age", where)
        if years is not None:
            attributes["age"] = years
    return attributes


def is_implausible(age: str, where: str) -> bool:
    """Whether an age is given but below 0 or above 120."""
    return not _is_unknown(age) and years_of(age, "age", where) is None


def years_of(age: str, column: str, where: str) -> int | None:
    """Whole years of an age that is given, 90 for all above; None if it is implausible.

    Raises:
        TableError: The age is neither a number nor in DICOM's form.
    """
    text = age.strip()
    unit = text[-1:].upper() if text[:-1].isdecimal() else ""
    years = int(number(text[:-1] if unit in _PER_YEAR else text, column, where) // _PER_YEAR.get(unit, 1))
    return min(years, OLDEST) if 0 <= years <= _IMPLAUSIBLE_AGE else None


def _is_unknown(cell: str) -> bool:
    return cell.strip() == "O" or is_missing(cell)  # O is DICOM's sex of others
