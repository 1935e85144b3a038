"""Which names look like something that a hospital keeps records under: numbers of patients and examinations, names."""

from __future__ import annotations

import re

from app.datalist.people import caseless, is_missing

SIGNIFICANT = 5
"""Digits of one number, without noughts in front, from which it may be a record number."""
TOGETHER = 6
"""Digits of all numbers of a name, counted likewise, from which they may be one: a date, an accession number."""
_PSEUDONYM = re.compile(r"[a-z][0-9a-f]{16}(?![0-9a-zA-Z])")
"""As `app.datalist.pseudonyms` makes them."""
_HASH = re.compile(r"(?=[0-9]*[a-fA-F])[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Digests and random identifiers, as others write them."""
_UID = re.compile(r"[0-2](\.(0|[1-9]\d*)){4,}")
_WORD = r"[^\W\d_]{2,}"
_PERSON = re.compile(rf"{_WORD}\^|{_WORD}\s*,\s*{_WORD}")
"""A person's name as DICOM and registers write it: Doe^Jane, or Doe, Jane."""
_SEPARATORS = re.compile(r"[\s^=,]+")
_ALONE, _WITHIN = 3, 5
"""Letters or digits from which a word of a name counts in a path: as a word of the path, and within one."""
_NOBODY = frozenset({"anonymous", "anonymized", "anonymised", "anon", "anonym", "0", "no id", "noid", "xxx", "patient"})
"""Values of PatientID, in small letters, that say nothing: all files of an archive may have the same one."""
_FULL_NAME = re.compile(rf"{_WORD}([ _]{_WORD})+")


def looks_like_a_record(name: str) -> bool:
    """Whether a name looks like a record number, a date, a DICOM identifier or a person's name.

    Digests and UUIDs do not. This is a guess: a short number (4711) or a surname alone is not recognised.

    Example:
        >>> [looks_like_a_record(name) for name in ("MRN1234567", "2021-03-04.png", "Doe^Jane", "A21-004711")]
        [True, True, True, True]
        >>> [looks_like_a_record(name) for name in ("IM000012.dcm", "0017.png", "p3", "chest_pa.png")]
        [False, False, False, False]
    """
    rest = _HASH.sub("", _PSEUDONYM.sub("", name))
    numbers = [len(digits.lstrip("0")) for digits in re.findall(r"\d+", rest)]
    is_number = max(numbers, default=0) >= SIGNIFICANT or sum(numbers) >= TOGETHER
    return is_number or _UID.search(rest) is not None or _PERSON.search(rest) is not None


def path_looks_like_a_record(path: str) -> bool:
    """Whether any part of a path, with forward slashes, looks like a record."""
    return any(map(looks_like_a_record, path.split("/")))


def looks_like_a_person(name: str) -> bool:
    """Whether a patient's identifier looks like a record or is made of two words or more, as people's names are.

    Example:
        >>> looks_like_a_person("Jane Doe"), looks_like_a_person("patient 12")
        (True, False)
    """
    return looks_like_a_record(name) or _FULL_NAME.fullmatch(name.strip()) is not None


def says_something(name: str) -> bool:
    """Whether a PatientID or a name is neither missing nor one that all files of an archive may have."""
    return not is_missing(name) and name.casefold().strip("^") not in _NOBODY


def is_named_in(name: str, path: str) -> bool:
    """Whether a path has a word of somebody's name or number.

    Example:
        >>> is_named_in("Doe^Jane", "wards/jane_2.png"), is_named_in("17", "wards/17.png")
        (True, False)
    """
    words = map(caseless, filter(says_something, _SEPARATORS.split(name)))
    return any(_has(caseless(path), word) for word in words)


def _has(path: str, word: str) -> bool:
    if len(word) >= _WITHIN and word in path:
        return True
    return len(word) >= _ALONE and re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", path) is not None
