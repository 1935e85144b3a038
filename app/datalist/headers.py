"""View, sex and age of items from the headers of their DICOM files, if a table does not give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import Attributes, person


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
