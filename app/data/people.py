"""Age and sex as data sets write them, as the attributes that subgroups are made of."""

from __future__ import annotations

from collections.abc import Mapping

from app.data.tables import number

Attributes = dict[str, str | int | float | bool]

OLDEST = 90
"""Ages above are given as this, so that they identify nobody."""
_IMPLAUSIBLE_AGE = 120
UNKNOWN = ("", "?", "-", "Unknown", "None", "nan", "O")
SEXES: Mapping[str, str] = {"F": "F", "M": "M", "FEMALE": "F", "MALE": "M"}


def person(sex: str, age: str, where: str) -> Attributes:
    """``sex`` (F or M) and ``age`` (whole years, 90 for all above), each left out where unknown or implausible.

    Args:
        sex: F, M, female or male in any case; see ``UNKNOWN``.
        age: years as a number, also as ``058Y``; implausible below 0 and above 120.
        where: file and line, for the message.

    Raises:
        TableError: another text.
    """
    attributes: Attributes = {}
    if sex.strip() not in UNKNOWN:
        attributes["sex"] = _sex(sex, where)
    if age.strip() not in UNKNOWN:
        years = int(number(age.strip().removesuffix("Y"), "age", where))
        if 0 <= years <= _IMPLAUSIBLE_AGE:
            attributes["age"] = min(years, OLDEST)
    return attributes


def _sex(cell: str, where: str) -> str:
    from app.data.tables import one_of

    return SEXES[one_of(cell.strip().upper(), tuple(SEXES), "sex", where)]
