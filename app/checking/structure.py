"""Keys that nothing uses, references to nothing or in a circle, and special keys that MONAI does not know."""

from __future__ import annotations

import re

from app.checking.ids import joined, references, value_at, walk
from app.checking.problem import Findings
from app.nearest import did_you_mean

RUN_BY_NAME = {"imports", "initialize", "training", "evaluating", "run", "finalize", "trust"}
"""Ids that MONAI runs, or that decide on what may run."""
ENTRIES = {*RUN_BY_NAME, "bundle_root", "dataset_dir"}
"""Ids that MONAI, the model zoo or a user call by name, and that no other part of a config need refer to."""
SPECIAL = {"_target_", "_disabled_", "_requires_", "_desc_", "_mode_", "_debug_"}
"""Keys of a component that are no arguments of it."""
_SPECIAL_FORM = re.compile(r"_[a-zA-Z]\w*_")


def check_structure(config: dict[str, object], findings: Findings, run_id: str | None = None) -> None:
    """Find unused keys at any depth, broken references and unknown special keys."""
    used = {name for identifier, value in walk(config) for name in references(value, identifier)}
    check_references(config, findings)
    _check_circles(config, used, findings)
    _check_special(config, findings)
    check_used(config, used, findings, run_id)
    _check_groups(config, used, findings)


def check_used(config: dict[str, object], used: set[str], findings: Findings, run_id: str | None = None) -> None:
    """Find top-level keys that nothing uses: a misspelt override would otherwise change nothing, silently."""
    roots = {name.split("#")[0] for name in used} | ENTRIES | {run_id or "run"}
    for key in config:
        if key not in roots and not key.startswith("_"):
            near = did_you_mean(key, [name for name in config if name in roots])
            findings.add(key, f"unknown setting {key!r}: nothing in the config uses it.{near}", "unused")


def check_references(config: dict[str, object], findings: Findings) -> None:
    """Find ``@id`` where there is no such id."""
    known: list[str] = []
    for identifier, value in walk(config):
        for name in references(value, identifier):
            try:
                value_at(config, name)
            except KeyError:
                known = known or [each for each, _ in walk(config)]
                findings.add(identifier, f"'@{name}' refers to nothing in the config.{did_you_mean(name, known)}")


def _check_circles(config: dict[str, object], used: set[str], findings: Findings) -> None:
    """Find ids that need themselves: what is below one refers to it, or to another that leads back."""
    finished: set[str] = set()
    for start in sorted(used):
        path: list[str] = []
        waiting = [[start]]
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                finished.update([path.pop()] if path else [])
                continue
            name = waiting[-1].pop()
            if name in path:
                circle = " -> ".join([*path[path.index(name) :], name])
                findings.add(name, f"refers to itself: {circle}.", "circle")
            elif name not in finished:
                path.append(name)
                waiting.append(_needed(config, name))


def _needed(config: dict[str, object], name: str) -> list[str]:
    """What an id, or anything below it, refers to."""
    try:
        value = value_at(config, name)
    except KeyError:
        return []
    parts = [(name, value), *walk(value, name)]
    return sorted({each for identifier, part in parts for each in references(part, identifier)})


def _check_special(config: dict[str, object], findings: Findings) -> None:
    for identifier, value in walk(config):
        if not isinstance(value, dict):
            continue
        for key in value:
            if _SPECIAL_FORM.fullmatch(str(key)) and key not in SPECIAL:
                allowed = ", ".join(sorted(SPECIAL))
                text = f"unknown special key {key!r}.{did_you_mean(str(key), SPECIAL)} Allowed are {allowed}."
                findings.add(joined(identifier, key), text)


def _check_groups(config: dict[str, object], used: set[str], findings: Findings) -> None:
    """Find keys of a group (``train``, say) that nothing refers to, where others of the group are referred to."""
    parents = {name.rpartition("#")[0] for name in used if "#" in name}
    for group in sorted(parents):
        try:
            value = value_at(config, group)
        except KeyError:
            continue
        whole = any(group == name or group.startswith(f"{name}#") for name in used)
        if whole or not isinstance(value, dict) or "_target_" in value:
            continue
        for key in value:
            below = joined(group, key)
            if not any(name == below or name.startswith(f"{below}#") for name in used) and not _is_special(key):
                near = did_you_mean(str(key), [str(each) for each in value if each != key])
                findings.add(below, f"unknown key {str(key)!r}: nothing in the config uses '@{below}'.{near}", "unused")


def _is_special(key: object) -> bool:
    return _SPECIAL_FORM.fullmatch(str(key)) is not None
