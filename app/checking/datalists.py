"""The datalist that a config names: readable, without a problem, and with what the workflow asks of its sections."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from app.checking.ids import followed, is_literal, reachable, value_at
from app.checking.problem import Findings
from app.checking.sources import words
from app.checking.targets import components
from app.findings import LUNGS, TUBES
from app.nearest import did_you_mean

if TYPE_CHECKING:
    from app.datalist.holdings import SectionHoldings
    from app.datalist.item import Item

# With the function of app.annotations.uncertain_labels around it, certainties are decided before anything is counted.
_ASKED = re.compile(r"(counted\(\s*@\w+)?\.(?:samples|labels)\(\s*(?:'(\w+)'|\"(\w+)\"|@(\w+))\s*\)")
_SPELT_OUT = 20


def check_datalist(config: dict[str, object], reached: set[str], findings: Findings, files: bool) -> int:
    """Find what is wrong with the datalist, or that there is neither one nor phantoms.

    Args:
        config: merged, with a key ``datalist``.
        reached: ids that the workflow evaluates.
        findings: to add to.
        files: whether to look at every image and mask as well.

    Returns:
        How many findings (names) it has; 1 where that cannot be told.
    """
    place, value = followed(config, "datalist")
    if value is None:
        return _check_phantoms(config, findings)
    if not isinstance(value, str) or not is_literal(value) or "::" in value:
        return 1
    path = Path(value)
    if not path.is_file():
        findings.add(place, f"{value}: no such datalist.", "file")
        return 1
    return _check_content(config, reached, place, findings, files)


def _check_content(config: dict[str, object], reached: set[str], place: str, findings: Findings, files: bool) -> int:
    from app.datalist.file import DatalistError, parse_datalist
    from app.datalist.holdings import holdings
    from app.datalist.item import SECTIONS
    from app.datalist.validate import file_problems, notes

    path, sections = Path(str(value_at(config, place))), _sections(config, reached)
    try:
        datalist, found = parse_datalist(path)
    except DatalistError as error:
        findings.add(place, str(error), "file")
        return 1
    found += file_problems(datalist, path.parent) if files else []
    for note in notes(datalist):
        findings.warn(place, f"{path}: {note}")
    for text in found[:_SPELT_OUT]:
        findings.add(place, f"{path}: {text}")
    if len(found) > _SPELT_OUT:
        findings.add(place, f"{path}: ... and {len(found) - _SPELT_OUT} more problems of this datalist.")
    held = holdings(datalist)
    counts = ", ".join(f"{name} {held[name].images if name in held else 0}" for name in SECTIONS)
    for section in sections:
        if section in SECTIONS and section not in held:
            findings.add(place, f"{path}: section {section!r} holds no item, and is needed (items: {counts}).")
        if section in ("validation", "test") and section in held and not sections[section]:
            _check_certain(place, path, section, datalist.sections[section], findings)
    if "training" in sections:
        _check_training(config, reached, place, datalist.sections["training"], findings)
    _warn_of_absent(place, path, list(sections), held, findings)
    looked = "and every file that it names" if files else "(the files that it names were not looked at)"
    findings.facts.append(f"datalist {path} {looked}: {counts}")
    return len(datalist.findings)


def _check_certain(place: str, path: Path, section: str, items: list[Item], findings: Findings) -> None:
    """A certainty can be learnt from, but not counted as a right or wrong answer."""
    between = [(item.image, value) for item in items for value in item.label if 0 < value < 1]
    if between:
        image, value = between[0]
        text = f"{path}: {image}: label {value:g} is a certainty; evaluation needs 1, 0, -1 or null."
        findings.add(place, f"{text} There are {len(between)} such labels in {section}.")


def _check_training(
    config: dict[str, object], reached: set[str], place: str, items: list[Item], findings: Findings
) -> None:
    """What loaders and samplers of the workflow ask of the training section."""
    for identifier, component, target in components(config):
        if identifier not in reached or not items:
            continue
        if target.endswith(".BalancedSampler"):
            present = sum(any(value >= 0.5 for value in item.label) for item in items)
            absent = sum(0 <= max(item.label) < 0.5 for item in items)
            if not present or not absent:
                text = f"sampling one to one needs items of both kinds; there are {present} with a finding and {absent}"
                findings.add(place, f"{text} without ({identifier}).")
        batch_size = followed(config, f"{identifier}#batch_size")[1] if "batch_size" in component else None
        of_training = any("('training')" in str(each) for each in _below(config, identifier))
        if (
            of_training
            and component.get("drop_last") is True
            and isinstance(batch_size, int)
            and batch_size > len(items)
        ):
            text = f"{identifier} drops batches that are not full, and the {len(items)} training images fill none of"
            findings.add("batch_size", f"{text} {batch_size}.")


def _below(config: dict[str, object], identifier: str) -> list[object]:
    """The values that a component is made of, what it refers to among them."""
    return [value_at(config, each) for each in reachable(config, [identifier])]


def _warn_of_absent(
    place: str, path: Path, sections: list[str], held: dict[str, SectionHoldings], findings: Findings
) -> None:
    """Tell findings of which a section that is used has no present, or no absent, label."""
    for section in sections:
        if section not in held:
            continue
        for finding, has in held[section].findings.items():
            present = has.states["present"] + has.states["certainty"] + has.located
            if not present:
                findings.warn(place, f"{path}: no {section} image shows {finding!r}: {_meaning(section)}.")
            elif not has.states["absent"] and not has.states["certainty"] and not has.nowhere and section != "training":
                findings.warn(place, f"{path}: no {section} image is labelled without {finding!r}: it gets no AUC.")


def _meaning(section: str) -> str:
    return "it cannot be learnt" if section == "training" else "nothing can be measured of it there"


def _check_phantoms(config: dict[str, object], findings: Findings) -> int:
    phantoms = config.get("phantoms")
    if phantoms is None:
        findings.add("datalist", "neither a datalist nor phantoms are named: --datalist FILE.", "file")
        return 1
    if not isinstance(phantoms, dict):
        return 1
    names, known = phantoms.get("findings"), _phantom_findings()
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if is_literal(name) and name not in known:
            allowed = ", ".join(known)
            text = f"phantoms have no finding {name!r}.{did_you_mean(str(name), known)} Known: {allowed}."
            findings.add(f"phantoms#findings#{index}", text)
    findings.facts.append("no datalist is named: phantoms are made, or taken where they were made before")
    return len(names) if isinstance(names, list) else len(known) - 1


def _phantom_findings() -> tuple[str, ...]:
    """What phantoms can show, the lungs last; read from the sources, as importing them takes seconds."""
    return (*words("app.phantoms.findings", "FINDINGS"), *TUBES, LUNGS)


def _sections(config: dict[str, object], reached: set[str]) -> dict[str, bool]:
    """The sections that expressions of the workflow ask for, in order, and whether all decide their certainties."""
    found: dict[str, bool] = {}
    for identifier in sorted(reached):
        value = value_at(config, identifier)
        for match in _ASKED.finditer(value if isinstance(value, str) else ""):
            name = match[2] or match[3]
            if match[4] and match[4] in config:
                followed_to = followed(config, match[4])[1]
                name = followed_to if isinstance(followed_to, str) and is_literal(followed_to) else None
            if name:
                found[name] = found.get(name, True) and match[1] is not None
    return found
