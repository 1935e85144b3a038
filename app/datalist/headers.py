"""What the headers of DICOM files say of items: view, sex and age; patients and studies to group by; names in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, caseless, normalised, person
from app.datalist.pseudonyms import Pseudonyms
from app.datalist.record_numbers import is_named_in, says_something

if TYPE_CHECKING:
    from transforms.dicom_header import HeaderIdentifiers


def facts_of(paths: Sequence[Path]) -> list[tuple[str, Attributes]]:
    """View and attributes (``sex``, ``age``) that each file's DICOM header gives, as a datalist writes them.

    Raises:
        OSError: A file cannot be read.
    """
    from transforms.dicom_header import header_codes

    codes = zip(paths, header_codes(list(paths)), strict=True)
    return [(code.view, person(code.sex, code.age, str(path))) for path, code in codes]


def with_header_facts(datalist: Datalist, files: Mapping[str, Path]) -> Datalist:
    """Fill in the view, sex and age that items lack from their files' headers; nothing is replaced.

    Args:
        datalist: Items under any names.
        files: The file of each item's ``image``.

    Returns:
        A new datalist, whose provenance counts how many of each came from headers.
    """
    lacking = [i.image for i in datalist.items() if not i.view or not {"sex", "age"} <= i.attributes.keys()]
    facts = dict(zip(lacking, facts_of([files[image] for image in lacking]), strict=True))
    counts: Counter[str] = Counter()

    def filled(item: Item) -> Item:
        view, attributes = facts.get(item.image, ("", {}))
        new = {name: value for name, value in attributes.items() if name not in item.attributes}
        counts.update([*new, *(["view"] if view and not item.view else [])])
        return replace(item, view=item.view or view, attributes={**item.attributes, **new})

    filled_in = datalist.mapped(filled)
    names = [name for name in ("view", "sex", "age") if counts[name]]
    facts_used = {f"images whose {name} came from their DICOM headers": counts[name] for name in names}
    return filled_in.with_counts(facts_used) if facts_used else datalist


def identifiers_of(files: Mapping[str, Path]) -> dict[str, HeaderIdentifiers]:
    """What identifies patient and study in the header of each file, by the name of its image."""
    from transforms.dicom_header import header_identifiers

    return dict(zip(files, header_identifiers(files.values()), strict=True))


def with_header_groups(
    datalist: Datalist, identifiers: Mapping[str, HeaderIdentifiers], pseudonyms: Pseudonyms
) -> Datalist:
    """Group items by the patient and study of their files' headers, if none of them has a patient or a study.

    Args:
        datalist: Items under any names.
        identifiers: Of each item's ``image``.
        pseudonyms: What is written instead of a header's PatientID and StudyInstanceUID.

    Returns:
        A new datalist, whose provenance counts the items of each; the patient of other items remains empty.
    """
    items = datalist.items()
    lacks_patient, lacks_study = (not any(getattr(item, kind) for item in items) for kind in ("patient", "study"))
    if not (lacks_patient or lacks_study):
        return datalist
    counts: Counter[str] = Counter()

    def pseudonym(kind: str, name: str) -> str:
        if not says_something(name):
            return ""
        counts[kind] += 1
        return pseudonyms.of(kind, normalised(name))

    def grouped(item: Item) -> Item:
        known = identifiers[item.image]
        return replace(
            item,
            patient=pseudonym("patient", known.patient) if lacks_patient else item.patient,
            study=pseudonym("study", known.study) if lacks_study else item.study,
        )

    result = datalist.mapped(grouped)
    facts = {f"images whose {kind} came from their DICOM headers, as a pseudonym": counts[kind] for kind in counts}
    return result.with_counts(facts) if facts else datalist


def named_in_headers(
    datalist: Datalist, identifiers: Mapping[str, HeaderIdentifiers], paths: Mapping[str, str]
) -> frozenset[str]:
    """Which of patients, studies and images go by something that stands in the DICOM headers of their own files.

    Args:
        datalist: Items under any names.
        identifiers: Of each item's ``image``.
        paths: Of each item's ``image``, below the folder of images.
    """
    kinds: set[str] = set()
    for item in datalist.items():
        known = identifiers[item.image]
        people, studies = {known.patient, known.name}, {known.accession, known.study}
        if caseless(item.patient) in {caseless(each) for each in people if says_something(each)}:
            kinds.add("patients")
        if item.study and item.study in studies:
            kinds.add("studies")
        if any(is_named_in(name, paths[item.image]) for name in (*people, *studies)):
            kinds.add("images")
    return frozenset(kinds)
