"""The datalist of a config: readable, without problems, and with what the workflow asks of its sections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.checking.ids import followed, is_literal, value_at
from app.checking.problems import Problems
from app.checking.sources import constant_words
from app.checking.targets import components
from app.datalist.item import SECTIONS
from app.findings import LUNGS, TUBES
from app.nearest import did_you_mean

if TYPE_CHECKING:
    from app.datalist.holdings import FindingHoldings
    from app.datalist.item import Datalist, Item

# Expressions that ask for a section: ``@data.samples('test')``, ``@sections.evaluation(@section)``,
# ``@sections.training()``.
_ASKED = re.compile(r"\.(?:samples|labels|evaluation)\(\s*(?:['\"](\w+)['\"]|@(\w+))\s*\)|\.(training)\(")
_DECIDED = ".counted"
"""The function that turns certainties into labels that can be measured."""
_MOST_LISTED = 20


def check_datalist(config: dict[str, object], reached: set[str], problems: Problems, files: bool) -> int:
    """Find what is wrong with the datalist, or with the settings of the phantoms if there is no datalist.

    See `app.checking.inputs.check_inputs`.
    """
    place, value = followed(config, "datalist")
    if value is None:
        return _check_phantoms(config, problems)
    if not isinstance(value, str) or not is_literal(value) or "::" in value:
        return 1
    if not Path(value).is_file():
        problems.add(place, f"{value}: no such datalist.", "file")
        return 1
    from app.datalist.file import DatalistError, parse_datalist
    from app.datalist.validate import file_problems, notes

    try:
        datalist, texts = parse_datalist(Path(value))
    except DatalistError as error:
        problems.add(place, str(error), "file")
        return 1
    texts += file_problems(datalist, Path(value).parent) if files else []
    if len(texts) > _MOST_LISTED:
        texts[_MOST_LISTED:] = [f"... and {len(texts) - _MOST_LISTED} more problems of this datalist."]
    sections = _sections(config, reached)
    are_decided = any(_DECIDED in str(value_at(config, identifier)) for identifier in reached)
    texts += _section_problems(datalist, sections, are_decided)
    if "training" in sections:
        texts += _sampling_problems(config, reached, datalist.sections.get("training", []))
    texts += _missing_findings(config, datalist.findings)
    texts += _unknown_prevalences(config, datalist.findings)
    for text in texts:
        problems.add(place, f"{value}: {text}")
    for note in [*notes(datalist), *_absences(datalist, sections)]:
        problems.warn(place, f"{value}: {note}")
    looked = "and every file that it names" if files else "(the files that it names were not looked at)"
    problems.facts.append(f"datalist {value} {looked}: {_counts(datalist)}")
    return len(datalist.findings)


def _missing_findings(config: dict[str, object], findings: Sequence[str]) -> list[str]:
    """The findings that are asked for, such as those of weights, and that the data lacks."""
    data = config.get("data")
    asked = data.get("findings") if isinstance(data, dict) else None
    missing = [name for name in asked if name not in findings] if isinstance(asked, list) else []
    if not missing:
        return []
    return [f"it lacks {', '.join(map(repr, missing))}, which is to be evaluated; it has {', '.join(findings)}."]


def _unknown_prevalences(config: dict[str, object], findings: Sequence[str]) -> list[str]:
    stated = config.get("prevalence")
    unknown = [name for name in stated if name not in findings] if isinstance(stated, dict) else []
    return [
        f"it has no finding {name!r}, whose prevalence is stated.{did_you_mean(name, findings)}" for name in unknown
    ]


def _sections(config: dict[str, object], reached: set[str]) -> list[str]:
    """The sections that the workflow asks for."""
    names: list[object] = []
    for identifier in reached:
        for match in _ASKED.finditer(str(value_at(config, identifier))):
            names.append(followed(config, match[2])[1] if match[2] in config else match[1] or match[3])
    return [section for section in SECTIONS if section in names]


def _section_problems(datalist: Datalist, sections: Sequence[str], are_decided: bool) -> list[str]:
    """Sections that are needed but empty, and certainties that would be measured as if they were right or wrong."""
    texts = []
    for section in sections:
        items = datalist.sections.get(section, [])
        if not items:
            texts.append(f"section {section!r} holds no item, and is needed (items: {_counts(datalist)}).")
        certain = [(item.image, value) for item in items for value in item.label if 0 < value < 1]
        if certain and section != "training" and not are_decided:
            image, value = certain[0]
            text = f"{image}: label {value:g} is a certainty; evaluation needs 1, 0, -1 or null."
            texts.append(f"{text} There are {len(certain)} such labels in {section}.")
    return texts


def _counts(datalist: Datalist) -> str:
    return ", ".join(f"{section} {len(datalist.sections.get(section, []))}" for section in SECTIONS)


def _sampling_problems(config: dict[str, object], reached: set[str], items: Sequence[Item]) -> list[str]:
    present = sum(any(value >= 0.5 for value in item.label) for item in items)
    absent = sum(0 <= max(item.label) < 0.5 for item in items)
    text = f"sampling one to one needs items of both kinds; there are {present} with a finding and {absent} without"
    return [
        f"{text} ({identifier})."
        for identifier, _, target in components(config)
        if identifier in reached and target.endswith(".BalancedSampler") and items and not (present and absent)
    ]


def _absences(datalist: Datalist, sections: Sequence[str]) -> list[str]:
    """Findings that a section has no present, or no absent, label of."""
    from app.datalist.holdings import holdings

    held = holdings(datalist)
    return [
        text
        for section in sections
        if section in held
        for finding, holding in held[section].findings.items()
        if (text := _absence(section, finding, holding))
    ]


def _absence(section: str, finding: str, holding: FindingHoldings) -> str:
    states = holding.states
    if not (states["present"] or states["certainty"] or holding.located):
        effect = "it cannot be learnt" if section == "training" else "it cannot be measured there"
        return f"no {section} image shows {finding!r}: {effect}."
    if section != "training" and not (states["absent"] or states["certainty"] or holding.nowhere):
        return f"no {section} image is labelled without {finding!r}: it gets no AUC."
    return ""


def _check_phantoms(config: dict[str, object], problems: Problems) -> int:
    phantoms = config.get("phantoms")
    if phantoms is None:
        problems.add("datalist", "neither a datalist nor phantoms are given: --datalist FILE.", "file")
        return 1
    if not isinstance(phantoms, dict):
        return 1
    # Read from the source, as importing it takes seconds.
    known = (*constant_words("app.phantoms.findings", "FINDINGS"), *TUBES, LUNGS)
    names = phantoms.get("findings")
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if is_literal(name) and name not in known:
            text = f"phantoms have no finding {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}."
            problems.add(f"phantoms#findings#{index}", text)
    for text in _missing_findings(config, [str(name) for name in names]) if isinstance(names, list) else ():
        problems.add("phantoms#findings", text)
    for text in _unknown_prevalences(config, names if isinstance(names, list) else known):
        problems.add("prevalence", f"phantoms: {text}")
    problems.facts.append("no datalist is given: phantoms are made, or used if they were made before")
    return len(names) if isinstance(names, list) else len(known) - 1
