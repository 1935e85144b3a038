"""Names of findings: one vocabulary, the spellings that data sets use for it, and the states of a label."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

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


def require_known(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise where a name is not among those known.

    Raises:
        ValueError: naming the unknown names, ``where`` they stood, the nearest known name and all that are known.
    """
    allowed = list(known)
    unknown = [name for name in names if name not in allowed]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{where}: unknown finding {', '.join(map(repr, unknown))}.{hint} Known: {', '.join(allowed)}.")
