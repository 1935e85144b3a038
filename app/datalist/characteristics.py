"""Who the patients of a datalist are, section by section, as numbers that identify nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import quantiles

from app.datalist.holdings import SectionHoldings, holdings
from app.datalist.item import Datalist, Item
from app.datalist.people import OLDEST, normalised
from app.findings import ABSENT, PRESENT

UNKNOWN = "unknown"
DIFFERS = "differs between images"
MOST_VALUES = 20
"""Views or sources that are named; more of them would be names of their own, which may identify somebody."""


def characteristics(datalist: Datalist) -> dict[str, dict[str, object]]:
    """Numbers about each section that is not empty, for a run's record.

    Returns:
        By section:

        - ``images``, ``patients``, ``studies``; ``images_of_patient``, as ``spread`` describes it;
        - ``age``: the lowest of a patient's images, in years (90 for all above), and ``unknown`` patients;
        - ``sex``: patients by sex; ``view``, ``source``: images by value (``20 values or more`` are not named);
        - ``findings``: by finding, images by state of their label, ``present_patients`` and ``absent_patients`` (with
          any such image; a patient may be both), images ``located`` and ``nowhere``, ``boxes`` and ``masks``.

    Example:
        >>> items = [Item("1.png", "7", (1,), attributes={"sex": "F", "age": 61}), Item("2.png", "7", (0,))]
        >>> section = characteristics(Datalist.unsplit("wards", ("Nodule",), items))["training"]
        >>> section["patients"], section["sex"], section["findings"]["Nodule"]["present_patients"]
        (1, {'F': 1}, 1)
    """
    return {
        section: _about(datalist.sections[section], held, datalist.findings)
        for section, held in holdings(datalist).items()
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many numbers there are, their quartiles, least and most; only the count if there are none.

    Example:
        >>> spread([3, 1, 2])
        {'count': 3, 'least': 1, 'lower': 1.5, 'median': 2.0, 'upper': 2.5, 'most': 3}
    """
    if not values:
        return {"count": 0}
    parts = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    limits = dict(zip(("lower", "median", "upper"), parts, strict=True))
    return {"count": len(values), "least": min(values), **limits, "most": max(values)}


def _about(items: Sequence[Item], held: SectionHoldings, findings: Sequence[str]) -> dict[str, object]:
    by_patient: dict[str, list[Item]] = {}
    for item in items:
        by_patient.setdefault(normalised(item.patient), []).append(item)
    ages = [min(known) for images in by_patient.values() if (known := [a for a in map(_age, images) if a is not None])]
    return {
        "images": held.images,
        "patients": len(by_patient),
        "studies": held.studies,
        "images_of_patient": spread([len(images) for images in by_patient.values()]),
        "age": spread(ages) | {"unknown": len(by_patient) - len(ages)},
        "sex": _counted(_sex(images) for images in by_patient.values()),
        "view": _named(held.views),
        "source": _named(_counted(item.source or UNKNOWN for item in items)),
        "findings": {
            name: {**counts.pop("states"), **_patients(by_patient, column), **counts}
            for column, name in enumerate(findings)
            for counts in [asdict(held.findings[name])]
        },
    }


def _age(item: Item) -> float | None:
    age = item.attributes.get("age")
    if not isinstance(age, int | float) or isinstance(age, bool) or not age >= 0:
        return None
    return min(age, OLDEST)


def _sex(images: Sequence[Item]) -> str:
    sexes = {str(item.attributes["sex"]) for item in images if item.attributes.get("sex")}
    return DIFFERS if len(sexes) > 1 else next(iter(sexes), UNKNOWN)


def _patients(by_patient: dict[str, list[Item]], column: int) -> dict[str, int]:
    """Patients with any image labelled present, and with any labelled absent."""
    labels = [{item.label[column] for item in images} for images in by_patient.values()]
    states = {"present_patients": PRESENT, "absent_patients": ABSENT}
    return {name: sum(value in each for each in labels) for name, value in states.items()}


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _named(counts: dict[str, int]) -> dict[str, int]:
    if len(counts) <= MOST_VALUES:
        return counts
    return {f"{len(counts)} values": sum(counts.values())}
