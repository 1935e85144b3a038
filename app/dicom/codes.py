"""One coded concept for each finding of the vocabulary, and the few other codes that results need.

DICOM's own context groups come first, as their codes may be used in DICOM everywhere. Then SNOMED CT, if several
independent public mappings agree on the code (its check digit is verified by a test). Everything else is a code of our
own, `99FRUGAL`: a wrong standard code is worse than a private one, since other programs believe it.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from app.findings import LUNGS, ORGANS, TUBES, VOCABULARY

PRIVATE_SCHEME = "99FRUGAL"
LONGEST_VALUE = 16
"""Characters of a code value (VR SH)."""
LONGEST_MEANING = 64
"""Characters of a code meaning (VR LO)."""


class CodedConcept(NamedTuple):
    """A code as DICOM writes it.

    Attributes:
        value: Such as ``60046008``.
        scheme: ``SCT`` (SNOMED CT), ``DCM`` (DICOM's own) or ``99FRUGAL``.
        meaning: In words.
        source: Where the code is from: a context group of DICOM PS3.16, or "SNOMED CT".
    """

    value: str
    scheme: str
    meaning: str
    source: str = ""


_SNOMED = "SNOMED CT"
_STANDARD = {
    # PS3.16's context groups.
    "Calcification": CodedConcept("112063", "DCM", "Abnormal calcifications", "CID 6101"),
    "Edema": CodedConcept("19242006", "SCT", "Pulmonary edema", "CID 3700"),
    "Effusion": CodedConcept("60046008", "SCT", "Pleural effusion", "CID 8134"),
    "Fibrosis": CodedConcept("112674009", "SCT", "Fibrosis", "CID 6335"),
    "Foreign Object": CodedConcept("19227008", "SCT", "Foreign body", "CID 7151"),
    "Infiltration": CodedConcept("112121", "DCM", "Infiltrate", "CID 6104"),
    "Lung Opacity": CodedConcept("112001", "DCM", "Opacity", "CID 6104"),
    "Mass": CodedConcept("4147007", "SCT", "Mass", "CID 6104"),
    "Nodule": CodedConcept("27925004", "SCT", "Nodule", "CID 6104"),
    "Nodule or Mass": CodedConcept("52988006", "SCT", "Lesion", "CID 7159"),
    "Pneumothorax": CodedConcept("36118008", "SCT", "Pneumothorax", "CID 6105"),
    "Chest Drain": CodedConcept("112173", "DCM", "Chest tube", "CID 6138"),
    "Endotracheal Tube": CodedConcept("26412008", "SCT", "Endotracheal tube", "CID 6138"),
    LUNGS: CodedConcept("39607008", "SCT", "Lung", "CID 4"),
    "Heart": CodedConcept("80891009", "SCT", "Heart", "CID 4009"),
    # SNOMED CT; each code stands with this meaning in two or more independent public mappings.
    "Atelectasis": CodedConcept("46621007", "SCT", "Atelectasis", _SNOMED),
    "Bronchiectasis": CodedConcept("12295008", "SCT", "Bronchiectasis", _SNOMED),
    "Cardiomegaly": CodedConcept("8186001", "SCT", "Cardiomegaly", _SNOMED),
    "Consolidation": CodedConcept("95436008", "SCT", "Pulmonary consolidation", _SNOMED),
    "COVID-19": CodedConcept("840539006", "SCT", "COVID-19", _SNOMED),
    "Emphysema": CodedConcept("87433001", "SCT", "Pulmonary emphysema", _SNOMED),
    "Fracture": CodedConcept("125605004", "SCT", "Fracture of bone", _SNOMED),
    "Interstitial Lung Disease": CodedConcept("233703007", "SCT", "Interstitial lung disease", _SNOMED),
    "Pneumonia": CodedConcept("233604007", "SCT", "Pneumonia", _SNOMED),
    "Tuberculosis": CodedConcept("56717001", "SCT", "Tuberculosis", _SNOMED),
    "Left Lung": CodedConcept("44029006", "SCT", "Left lung", _SNOMED),
    "Right Lung": CodedConcept("3341006", "SCT", "Right lung", _SNOMED),
    "Tracheostomy Tube": CodedConcept("129121000", "SCT", "Tracheostomy tube", _SNOMED),
}

FINDING = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure", "CID 7150")
TUBE = CodedConcept("260787004", "SCT", "Physical object", "CID 7150")
ORGAN = CodedConcept("91723000", "SCT", "Anatomical Structure", "CID 7150")
CHEST = CodedConcept("816094009", "SCT", "Chest", "CID 4031")


def code_of(finding: str) -> CodedConcept:
    """The code of a finding, of the vocabulary or of a user's own.

    Example:
        >>> code_of("Effusion").value, code_of("Enlarged Cardiomediastinum")[:2]
        ('60046008', ('ENLARGED_1E6CA0F', '99FRUGAL'))
    """
    return _STANDARD.get(finding) or CodedConcept(_private_value(finding), PRIVATE_SCHEME, finding[:LONGEST_MEANING])


def category_of(finding: str) -> CodedConcept:
    """The category of a segmented finding: abnormality, tube, or organ."""
    if finding in TUBES:
        return TUBE
    return ORGAN if finding in (LUNGS, *ORGANS) else FINDING


def _private_value(finding: str) -> str:
    """The vocabulary's name in capitals; the start of a longer or another name, with seven digits of its hash."""
    value = re.sub(r"[^A-Z0-9]+", "_", finding.upper())
    if finding in VOCABULARY and len(value) <= LONGEST_VALUE:
        return value
    return f"{value[: LONGEST_VALUE - 8]}_{hashlib.sha256(finding.encode()).hexdigest()[:7].upper()}"
