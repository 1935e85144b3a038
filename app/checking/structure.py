"""Keys that nothing uses, references that lead nowhere or in a circle, and special keys that MONAI does not know."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter

from app.checking.ids import joined, normal, references, value_at, walk
from app.checking.problems import Problems
from app.nearest import did_you_mean

RUN_BY_NAME = {"imports", "configuration", "initialize", "training", "evaluating", "run", "finalize", "trust"}
"""Ids that MONAI runs, or that decide what may run."""
OF_LAUNCH = ("run_name", "register", "recalibration")
"""Settings that the launch of every bundle takes from the config by name (``app.engines.Launch``)."""
OF_RESULTS = ("operating_point", "prevalence", "pictures")
"""Settings about its results that it takes likewise; no bundle's own config has them."""
ENTRIES = {*RUN_BY_NAME, *OF_LAUNCH, "bundle_root", "dataset_dir"}
"""Ids that MONAI, the model zoo or users call by name, so that nothing else in a config need refer to them."""
SPECIAL_KEYS = {"_target_", "_disabled_", "_requires_", "_desc_", "_mode_", "_debug_"}
"""Keys of a component that are not arguments."""
_SPECIAL = re.compile(r"_[a-zA-Z]\w*_")


def check_structure(config: dict[str, object], problems: Problems, run_id: str) -> None:
    """Find unused keys at any depth, broken and circular references, and unknown special keys."""
    used = {name for identifier, value in walk(config) for name in references(value, identifier)}
    _check_references(config, problems)
    _check_circles(config, used, problems)
    _check_special_keys(config, problems)
    _check_settings(config, used | ENTRIES | {run_id}, problems)
    _check_groups(config, used, problems)


def _check_references(config: dict[str, object], problems: Problems) -> None:
    known: list[str] = []
    for identifier, value in walk(config):
        for name in references(value, identifier):
            try:
                value_at(config, name)
            except KeyError:
                known = known or [each for each, _ in walk(config)]
                problems.add(identifier, f"'@{name}' refers to nothing in the config.{did_you_mean(name, known)}")


def _check_circles(config: dict[str, object], used: set[str], problems: Problems) -> None:
    """Find ids that need themselves: something below them refers to them, directly or through others."""
    needed = {name: _references_below(config, name) for name in used}
    while True:
        try:
            TopologicalSorter(needed).prepare()
        except CycleError as error:
            circle = error.args[1][:0:-1]  # each id needs the next one
            start = circle.index(min(circle))
            circle = [*circle[start:], *circle[: start + 1]]
            problems.add(circle[0], f"refers to itself: {' -> '.join(circle)}.", "circle")
            needed[circle[0]].discard(circle[1])
        else:
            return


def _references_below(config: dict[str, object], name: str) -> set[str]:
    try:
        value = value_at(config, name)
    except KeyError:
        return set()
    return {each for identifier, part in [(name, value), *walk(value, name)] for each in references(part, identifier)}


def _check_special_keys(config: dict[str, object], problems: Problems) -> None:
    allowed = ", ".join(sorted(SPECIAL_KEYS))
    for identifier, value in walk(config):
        for key in value if isinstance(value, dict) else ():
            if "#" in normal(str(key)):
                problems.add(identifier, f"the key {key!r} cannot be referred to: '#' and '::' separate keys of an id.")
            if _is_special(key) and key not in SPECIAL_KEYS:
                text = f"unknown special key {key!r}.{did_you_mean(key, SPECIAL_KEYS)} Allowed are {allowed}."
                problems.add(joined(identifier, key), text)


def _check_settings(config: dict[str, object], used: set[str], problems: Problems) -> None:
    """Find top-level keys that nothing uses: a misspelt override would change nothing, silently."""
    roots = {name.split("#")[0] for name in used} | {*(OF_RESULTS if "launch" in config else ())}
    for key in config:
        if key not in roots and not key.startswith("_"):
            hint = did_you_mean(key, roots & {*config, *OF_RESULTS})
            problems.add(key, f"unknown setting {key!r}: nothing in the config uses it.{hint}", "unused")


def _check_groups(config: dict[str, object], used: set[str], problems: Problems) -> None:
    """Find keys of a group (such as ``train``) that nothing refers to, if other keys of the group are referred to."""
    for group in sorted({name.rpartition("#")[0] for name in used if "#" in name}):
        try:
            value = value_at(config, group)
        except KeyError:
            continue
        is_used_whole = any(group == name or group.startswith(f"{name}#") for name in used)
        if is_used_whole or not isinstance(value, dict) or "_target_" in value:
            continue
        for key in value:
            below = joined(group, key)
            if not _is_special(key) and not any(name == below or name.startswith(f"{below}#") for name in used):
                hint = did_you_mean(key, [str(each) for each in value if each != key])
                problems.add(below, f"unknown key {str(key)!r}: nothing in the config uses '@{below}'.{hint}", "unused")


def _is_special(key: object) -> bool:
    return _SPECIAL.fullmatch(str(key)) is not None
