"""Names of findings: one vocabulary, the spellings of data sets, safe names for files, and the values of a label."""

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
"""Nobody said anything; ``null`` in a datalist. Losses and metrics leave out every negative label."""

NO_FINDING = "No Finding"
"""The statement that there is no finding. Only CheXpert has a column for it."""

TUBES = ("Chest Drain", "Nasogastric Tube", "Endotracheal Tube", "Tracheostomy Tube")

LUNGS = "Lungs"
"""An organ rather than a finding: both lungs, with the parts behind the heart; present in every radiograph."""
ORGANS = ("Left Lung", "Right Lung", "Heart")
"""Organs by themselves, for outlines in which the lungs end at the heart."""

VOCABULARY = (
    "Aortic Enlargement",
    "Atelectasis",
    "Bronchiectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "COVID-19",
    "Edema",
    "Effusion",
    "Emphysema",
    "Enlarged Cardiomediastinum",
    "Fibrosis",
    "Foreign Object",
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
    "Tuberculosis",
    *ORGANS,
    *TUBES,
    NO_FINDING,
)

# Spellings that differ from the vocabulary in more than case and separators.
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


def plain(name: str) -> str:
    """A name without what does not matter in a spelling: case, underscores, hyphens, repeated spaces.

    Example:
        >>> plain("Pleural_Thickening ")
        'pleural thickening'
    """
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


_BY_SPELLING = {plain(name): name for name in VOCABULARY} | _SPELLINGS


def canonical(spelling: str) -> str | None:
    """The vocabulary's name for a data set's spelling of a finding, or None if it has none.

    Case, underscores, hyphens and repeated spaces do not matter.

    Example:
        >>> canonical("pleural_thickening"), canonical("Pulmonary nodule"), canonical("Nodul")
        ('Pleural Thickening', 'Nodule', None)
    """
    return _BY_SPELLING.get(plain(spelling))


RESERVED = ("macro", "value")
"""Names that tables of results use for entries beside those of findings."""
LONGEST_NAME = 100
"""Bytes of a finding's name within the name of a file or a metric."""
_UNSAFE = re.compile(r"[^\w\-]*[^\w\- ][^\w\-]*")
_INVISIBLE = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Unicode's Default_Ignorable_Code_Point (fillers, variation selectors) without control and format characters, and the
blank of Braille."""


def without_invisible(text: str) -> str:
    r"""Remove the characters of a text that nobody sees; those that count as blanks stay.

    Example:
        >>> without_invisible("1\u200b\u3164 a")
        '1 a'
    """
    return "".join(
        each
        for each in text
        if each.isspace() or (unicodedata.category(each) not in ("Cc", "Cf", "Cs") and each not in _INVISIBLE)
    )


def name_problems(findings: Sequence[str]) -> list[str]:
    """Why names cannot be those of findings, one sentence each; empty if they can.

    Example:
        >>> name_problems(["Mass", "Mass "])
        ["findings 'Mass' and 'Mass ' look the same: rename one of them."]
    """
    problems = [
        f"finding {name!r} is listed more than once in 'findings'."
        for name, count in Counter(findings).items()
        if count > 1
    ]
    names = dict.fromkeys(findings)
    problems += [problem for problem in map(_name_problem, names) if problem]
    spellings: dict[str, str] = {}
    for name in names:
        visible = _visible(name)
        other = spellings.setdefault(visible, name)
        if visible and other != name:
            problems.append(f"findings {other!a} and {name!a} look the same: rename one of them.")
    return problems


def safe_names(findings: Sequence[str]) -> dict[str, str]:
    """Names of findings that any file system and MLflow accept as part of the name of a file or a metric.

    Letters of any script, digits, hyphens, underscores and spaces stay; everything else becomes an underscore. Names
    are cut to ``LONGEST_NAME`` bytes. Names that were cut, and those that would then be equal (in any case, and with
    spaces as underscores), end in eight digits of their hash, so that no two findings share a name.

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
    # A finding may have the very name that another one got with its hash.
    taken = Counter(_file_form(each) for each in named.values())
    return {name: each if taken[_file_form(each)] == 1 else _hashed(name, each) for name, each in named.items()}


def file_names(findings: Sequence[str]) -> dict[str, str]:
    """As `safe_names`, for names of files: in lower case, with underscores for spaces.

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


def _name_problem(name: str) -> str:
    control = sorted({character for character in name if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")})
    if control:
        return f"finding {name!r}: a name must not hold the control character {control[0]!r}."
    if not _visible(name):
        return f"finding {name!r} has no name: it is blank."
    if name.casefold() in RESERVED:
        return f"finding {name!r}: tables of results use this name for something else; rename it."
    return ""


def _visible(name: str) -> str:
    """What a reader sees of a name; case counts."""
    return " ".join(without_invisible(unicodedata.normalize("NFC", name)).split())


def require_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse names that are not known.

    Args:
        names: To be looked up.
        known: Names that are allowed.
        where: The file or setting that holds them, for the message.

    Raises:
        ValueError: Names the unknown ones, where they are, the nearest known name, and all known names.
    """
    allowed = list(known)
    unknown = [name for name in names if name not in allowed]
    if unknown:
        listed, hint = ", ".join(map(repr, unknown)), did_you_mean(unknown[0], allowed)
        raise ValueError(f"{where}: unknown finding {listed}.{hint} Known: {', '.join(allowed)}.")
