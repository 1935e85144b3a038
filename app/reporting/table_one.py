"""Who the patients are, by section: the first table of a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.datalist.characteristics import characteristics
from app.datalist.holdings import STATES
from app.datalist.item import SECTIONS, Datalist, Item
from app.datalist.people import OLDEST
from app.findings import NOT_SAID
from app.pages.document import Note, Part, Table
from app.reporting.run_record import RunRecord, as_dict
from evaluation import PredictionTable

READING = (
    "Numbers of patients or images, with their share. The age of a patient is the lowest of the images; "
    f"{OLDEST} stands for all ages of {OLDEST} and above. Quartiles in brackets."
)
Sections = Mapping[str, Mapping[str, Any]]


def table_one_parts(record: RunRecord) -> list[Part]:
    """The table, of all sections if the run recorded them, else of the measured one alone."""
    sections: dict[str, Mapping[str, Any]]
    sections = {name: record.sections[name] for name in SECTIONS if name in record.sections}
    notes = [READING]
    if not sections:
        name = record.section or "measured"
        (about,) = characteristics(_as_datalist(record.table, name)).values()
        sections = {name: about}
        notes.append("The other sections are not shown: this run did not record who their patients are.")
    elif record.workflow == "evaluating":
        notes.append(
            "These are the sections of the datalist that was evaluated on; it may not be that of the training."
        )
    rows = [row for group in (_sizes, _people, _images, _findings) for row in group(sections)]
    return [Table(("", "", *sections), rows, left=2, group=True), Note(" ".join(notes))]


def _sizes(sections: Sections) -> Iterator[tuple[str, ...]]:
    for name in ("images", "patients", "studies"):
        yield (name.capitalize(), "", *(_number(about.get(name)) for about in sections.values()))
    yield ("Images of a patient", "median", *(_spread(about.get("images_of_patient")) for about in sections.values()))
    yield ("", "most", *(_number(as_dict(about.get("images_of_patient")).get("most")) for about in sections.values()))


def _people(sections: Sections) -> Iterator[tuple[str, ...]]:
    ages = [as_dict(about.get("age")) for about in sections.values()]
    yield ("Age in years, patients", "median", *(_spread(age) for age in ages))
    yield ("", "range", *(f"{_age(age['least'])} to {_age(age['most'])}" if "most" in age else "" for age in ages))
    yield from _rest(ages, sections)
    yield from _shares("Sex, patients", [as_dict(about.get("sex")) for about in sections.values()])


def _rest(ages: Sequence[Mapping[str, Any]], sections: Sections) -> Iterator[tuple[str, ...]]:
    """Patients of unknown age."""
    totals = [about.get("patients", 0) for about in sections.values()]
    yield ("", "unknown", *(_share(age.get("unknown", 0), total) for age, total in zip(ages, totals, strict=True)))


def _images(sections: Sections) -> Iterator[tuple[str, ...]]:
    yield from _shares("View, images", [as_dict(about.get("view")) for about in sections.values()])
    yield from _shares("Source of labels, images", [as_dict(about.get("source")) for about in sections.values()])


def _findings(sections: Sections) -> Iterator[tuple[str, ...]]:
    by_section = [as_dict(about.get("findings")) for about in sections.values()]
    for finding in dict.fromkeys(name for each in by_section for name in each):
        counts = [as_dict(each.get(finding)) for each in by_section]
        known = [each.get("present", 0) + each.get("absent", 0) for each in counts]
        present = [_share(each.get("present", 0), all_) for each, all_ in zip(counts, known, strict=True)]
        yield (finding, "images with it, of those known", *present)
        yield ("", "patients with it", *(_number(each.get("present_patients")) for each in counts))
        for state in STATES[2:]:
            if any(each.get(state) for each in counts):
                yield ("", f"images: {state}", *(_number(each.get(state, 0)) for each in counts))
        if any(each.get("located") or each.get("nowhere") for each in counts):
            yield ("", "images with its location", *(_number(each.get("located")) for each in counts))


def _shares(name: str, counts: Sequence[Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    """A row per value, with the share of all."""
    values = dict.fromkeys(value for each in counts for value in each)
    for index, value in enumerate(values):
        cells = [_share(each.get(value, 0), sum(each.values())) for each in counts]
        yield ("" if index else name, value, *cells)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.0%})" if total else f"{count:,}"


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else ""


def _spread(value: object) -> str:
    numbers = as_dict(value)
    if "median" not in numbers:
        return ""
    return f"{_age(numbers['median'])} [{_age(numbers['lower'])}, {_age(numbers['upper'])}]"


def _age(value: float) -> str:
    """A number without needless decimals; all that may stand for higher ages are given as such."""
    return f"{OLDEST} or above" if value >= OLDEST else f"{value:g}"


def _as_datalist(table: PredictionTable, section: str) -> Datalist:
    """The measured cases as a datalist, which is all that is known of the data."""
    attributes = {name: table.attributes[name].tolist() for name in ("age", "sex") if name in table.attributes}
    texts = {name: table.attributes[name].tolist() for name in ("study", "view", "source") if name in table.attributes}
    items = []
    for row, image in enumerate(table.image.tolist()):
        known = {name: values[row] for name, values in attributes.items() if values[row] not in ("", "nan")}
        about: dict[str, str | float] = {}
        for name, value in known.items():
            about[name] = float(value) if name == "age" else value
        label = tuple(float(value) if value == value else NOT_SAID for value in table.label[row])
        words = {name: values[row] for name, values in texts.items()}
        items.append(Item(image, str(table.patient[row]), label, attributes=about, **words))
    return Datalist("measured", table.findings, {section if section in SECTIONS else "test": items})
