"""Names of findings: one vocabulary, the spellings that data sets use for it, and the states of a label."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from app.nearest import did_you_mean

PRESENT = 1
ABSENT = 0
UNCERTAIN = -1
"""Somebody looked and could not tell."""
NOT_SAID = -2
"""Nobody said anything; written as ``null`` in a datalist. Losses and metrics leave out every negative label."""

NO_FINDING = "No Finding"
"""Not a finding but the statement that there is none; only CheXpert has a column of its own for it."""

TUBES = ("Chest Drain", "Nasogastric Tube", "Endotracheal Tube", "Tracheostomy Tube")

LUNGS = "Lungs"
"""No finding but an organ: both lungs, the parts behind the heart included; present in every radiograph."""

VOCABULARY = (
    "Aortic Enlargement",
    "Atelectasis",
    "Bronchiectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Enlarged Cardiomediastinum",
    "Fibrosis",
    "Fracture",
    "Granuloma",
    "Hernia",
    "Infiltration",
    "Interstitial Lung Disease",
    "Lung Lesion",
    "Lung Opacity",
    LUNGS,
    "Mass",
    "Mediastinal Widening",
    "Nodule",
    "Nodule or Mass",
    "Other Lesion",
    "Pleural Other",
    "Pleural Thickening",
    "Pneumonia",
    "Pneumoperitoneum",
    "Pneumothorax",
    "Support Devices",
    *TUBES,
    NO_FINDING,
)

# What data sets write, where it is more than another case or separator.
_SPELLINGS = {
    "airspace opacity": "Lung Opacity",
    "chest drain tube": "Chest Drain",
    "chest tube": "Chest Drain",
    "enlarged cardiom.": "Enlarged Cardiomediastinum",
    "et tube": "Endotracheal Tube",
    "fractures": "Fracture",
    "granulomas": "Granuloma",
    "hiatal hernia": "Hernia",
    "ild": "Interstitial Lung Disease",
    "infiltrate": "Infiltration",
    "infiltrates": "Infiltration",
    "lung nodule": "Nodule",
    "mediastinal enlargement": "Mediastinal Widening",
    "ng tube": "Nasogastric Tube",
    "nodule/mass": "Nodule or Mass",
    "normal": NO_FINDING,
    "nsg tube": "Nasogastric Tube",
    "oedema": "Edema",
    "opacity": "Lung Opacity",
    "pleural effusion": "Effusion",
    "pulmonary edema": "Edema",
    "pulmonary fibrosis": "Fibrosis",
    "pulmonary mass": "Mass",
    "pulmonary nodule": "Nodule",
}


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


_BY_SPELLING = {_plain(name): name for name in VOCABULARY} | _SPELLINGS


def canonical(spelling: str) -> str | None:
    """The vocabulary's name for a data set's spelling of a finding, or None where there is none.

    Case, underscores, hyphens and repeated spaces do not matter: ``Pleural_Thickening`` is ``Pleural Thickening``.
    """
    return _BY_SPELLING.get(_plain(spelling))


RESERVED = ("macro", "value")
"""What a table of results calls its own entries beside those of findings."""
LONGEST_NAME = 100
"""Bytes of a finding's name within the name of a file or a metric."""
_UNSAFE = re.compile(r"[^\w\-]*[^\w\- ][^\w\-]*")


_UNSEEN = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Unicode's Default_Ignorable_Code_Point beside control and format characters (fillers, variation selectors), and the
blank of Braille."""


def without_unseen(text: str) -> str:
    r"""A text without the characters that nobody sees; those that count as blanks stay.

    Example:
        >>> without_unseen("1\u200b\u3164 a")
        '1 a'
    """
    return "".join(
        each
        for each in text
        if each.isspace() or (unicodedata.category(each) not in ("Cc", "Cf", "Cs") and each not in _UNSEEN)
    )


def name_problems(findings: Sequence[str]) -> list[str]:
    """Why names cannot be those of findings, one sentence each; an empty list where they can."""
    found = [
        f"finding {name!r} is listed more than once in 'findings'."
        for name, count in Counter(findings).items()
        if count > 1
    ]
    for name in dict.fromkeys(findings):
        odd = sorted({character for character in name if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")})
        if not _as_seen(name) and not odd:
            found.append(f"finding {name!r} has no name: it is blank.")
        elif odd:
            found.append(f"finding {name!r}: a name must not hold the control character {odd[0]!r}.")
        elif name.casefold() in RESERVED:
            found.append(f"finding {name!r}: tables of results call something else so; rename it.")
    spellings: dict[str, str] = {}
    for name in dict.fromkeys(findings):
        other = spellings.setdefault(_as_seen(name), name)
        if other != name and _as_seen(name):
            found.append(f"findings {other!a} and {name!a} look the same: rename one of them.")
    return found


def safe_names(findings: Sequence[str]) -> dict[str, str]:
    """A name of each finding that any file system and MLflow take as part of a file's or a metric's name.

    Letters of any script, digits, hyphens, underscores and spaces stay; what else there is becomes an underscore. A
    name is cut to ``LONGEST_NAME`` bytes. What was cut, and names that would then be one (in any case, and with spaces
    as underscores), end in eight digits of their hash, so that no two findings share a name.

    Example:
        >>> safe_names(["Lung Opacity", "Nodule/Mass", "nodule/mass"])
        {'Lung Opacity': 'Lung Opacity', 'Nodule/Mass': 'Nodule_Mass_294bc881', 'nodule/mass': 'nodule_mass_dd96e5bc'}
    """
    plain = {name: _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip("_ ") for name in findings}
    shared = Counter(_file_form(each) for each in plain.values())
    named = {
        name: each if shared[_file_form(each)] == 1 and 0 < len(each.encode()) <= LONGEST_NAME else _hashed(name, each)
        for name, each in plain.items()
    }
    # A finding may be called just as another one's name with its hash.
    taken = Counter(_file_form(each) for each in named.values())
    return {name: each if taken[_file_form(each)] == 1 else _hashed(name, each) for name, each in named.items()}


def file_names(findings: Sequence[str]) -> dict[str, str]:
    """:func:`safe_names` as parts of files' names: in small letters, with underscores for spaces.

    Example:
        >>> file_names(["Lung Opacity", "Opacity #1"])
        {'Lung Opacity': 'lung_opacity', 'Opacity #1': 'opacity_1'}
    """
    return {name: _file_form(each) for name, each in safe_names(findings).items()}


def _file_form(name: str) -> str:
    return unicodedata.normalize("NFC", name.lower()).replace(" ", "_")


def _hashed(name: str, plain: str) -> str:
    room = LONGEST_NAME - 9
    start = plain.encode()[:room].decode(errors="ignore") or "finding"
    return f"{start}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _as_seen(name: str) -> str:
    """A name without what nobody sees of it; case counts."""
    return " ".join(without_unseen(unicodedata.normalize("NFC", name)).split())


def require_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise where a name is not among those known.

    Raises:
        ValueError: naming the unknown names, ``where`` they stood, the nearest known name and all that are known.
    """
    allowed = list(known)
    unknown = [name for name in names if name not in allowed]
    if not unknown:
        return
    hint = did_you_mean(unknown[0], allowed)
    raise ValueError(f"{where}: unknown finding {', '.join(map(repr, unknown))}.{hint} Known: {', '.join(allowed)}.")
