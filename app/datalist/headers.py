"""View, sex and age of items out of the headers of their DICOM files, where a table says nothing of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person
from app.datalist.stored_images import with_counts


def facts_of(path: Path) -> tuple[str, Attributes]:
    """View and attributes (``sex``, ``age``) as a DICOM header states them, in a datalist's words; all else is unknown.

    Raises:
        OSError: the file cannot be read.
    """
    return _facts_of_all([path])[0]


def with_header_facts(datalist: Datalist, files: Mapping[str, Path]) -> Datalist:
    """Fill in the view, sex and age that items lack, from their files' headers; what a table says is never replaced.

    Args:
        datalist: items by any name.
        files: the file of each item's ``image``.

    Returns:
        A new datalist, whose provenance counts how many of each came from headers.
    """
    items = [item for section in datalist.sections.values() for item in section if _lacks_any(item)]
    facts = dict(zip((item.image for item in items), _facts_of_all([files[item.image] for item in items]), strict=True))
    counts = dict.fromkeys(("view", "sex", "age"), 0)
    sections: dict[str, list[Item]] = {}
    for section, before in datalist.sections.items():
        sections[section] = []
        for item in before:
            view, attributes = facts.get(item.image, ("", {}))
            new = {name: value for name, value in attributes.items() if name not in item.attributes}
            if view and not item.view:
                counts["view"] += 1
            for name in new:
                counts[name] += 1
            sections[section].append(replace(item, view=item.view or view, attributes={**item.attributes, **new}))
    told = {f"images whose {name} came from their DICOM headers": count for name, count in counts.items() if count}
    return with_counts(replace(datalist, sections=sections), told) if told else datalist


def _lacks_any(item: Item) -> bool:
    return not item.view or not {"sex", "age"} <= item.attributes.keys()


def _facts_of_all(paths: list[Path]) -> list[tuple[str, Attributes]]:
    from transforms.dicom_header import header_codes

    codes = header_codes(paths)
    return [(code.view, person(code.sex, code.age, str(path))) for path, code in zip(paths, codes, strict=True)]
