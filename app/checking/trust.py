"""Whether config files from elsewhere keep to what such a file may hold; nothing of them has been evaluated by then.

Evaluating a config runs every ``$`` expression and calls whatever a ``_target_`` names, with any argument. Trusted are
the files of the ``bundles`` folder beside this package, folders that the user names, and what the user types. Every
other file may only set: plain values of settings that a trusted file has, and components of ``app.checking.allowed``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import app
from app.checking.allowed import Row, row_of
from app.checking.ids import followed, is_code, joined, normal
from app.checking.problem import Findings
from app.checking.structure import RUN_BY_NAME
from app.nearest import did_you_mean

VARIABLE = "FRUGAL_TRUSTED"
"""Environment variable naming further folders of trusted configs, separated as in ``PATH``."""
REMEDY = "Read it first; then allow it: --trust for frugal check and frugal study, --trust True for a run."

_KEY = re.compile(r"\+?\w+((::|#)\w+)*", re.ASCII)
_MISSING = object()
_SHOWN = 100


def trusted_folders() -> list[Path]:
    """Folders whose configs may run code."""
    named = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [folder.resolve() for folder in (Path(app.__file__).parents[1] / "bundles", *named)]


def is_trusted(file: Path) -> bool:
    """Whether a file lies in a trusted folder, links followed."""
    real = file.resolve()
    return any(real.is_relative_to(folder) for folder in trusted_folders())


def refuse_first(content: object, file: Path, findings: Findings) -> None:
    """Refuse a file from elsewhere that stands first, and list all that it would run."""
    findings.add(
        "",
        f"{file}: this config from outside of bundles/ stands first: MONAI takes metadata.json and logging.conf from "
        f"beside the first config, and lets Python import from its folder. {REMEDY}",
    )
    _list_code("", content, findings)


def check_foreign(config: object, own: Mapping[str, object], findings: Findings, expanded: object) -> None:
    """Find what files from elsewhere hold and may not.

    Args:
        config: merged of all files and of what the user typed, as they are written.
        own: the same of trusted files and of what the user typed alone.
        findings: to add to; knows where each id comes from.
        expanded: the config with its macros replaced, in which references are looked up.
    """
    _Foreign(findings, expanded).check_top(config, own)


def check_keys(content: Iterable[object], source: Path, findings: Findings) -> None:
    """Find top-level keys that MONAI may understand as another id than they seem to name."""
    for key in content:
        if not _KEY.fullmatch(str(key)):
            findings.add("", f"{source}: {str(key)!r} is no id such as max_epochs or train::trainer::amp. {REMEDY}")


class _Foreign:
    """Walks over what differs from the trusted config."""

    def __init__(self, findings: Findings, expanded: object) -> None:
        self.findings = findings
        self.expanded = expanded

    def check_top(self, config: object, own: Mapping[str, object]) -> None:
        for key, value in config.items() if isinstance(config, dict) else ():
            if key in own and _same(value, own[key]):
                continue
            if key not in own:
                known = did_you_mean(str(key), own)
                self.findings.add(str(key), f"{key!r} is no setting of this bundle's own configs.{known}", "unused")
            elif key in RUN_BY_NAME:
                self.refuse(str(key), value, "is what MONAI runs")
            else:
                self.check(str(key), value, own[key])

    def check(self, place: str, value: object, own: object) -> None:
        """Check a value that stands at an id, knowing what trusted files have there."""
        if _same(value, own):
            return
        if isinstance(value, dict) and "_target_" in value:
            self.check_component(place, value, own if _is_component(own) else {})
        elif _is_component(own) and not _is_number(value):
            self.refuse(place, value, "stands in the place of a component")
        elif isinstance(value, dict):
            for key, child in value.items():
                if _is_odd_key(key):
                    self.refuse(joined(place, key), child, f"{key!r} means more to MONAI than a name")
                else:
                    self.check(joined(place, key), child, own.get(key, _MISSING) if isinstance(own, dict) else _MISSING)
        elif isinstance(value, list):
            for index, child in enumerate(value):
                known = own[index] if isinstance(own, list) and index < len(own) else _MISSING
                self.check(joined(place, index), child, known)
        elif not _is_number(value) and not (isinstance(value, str) and not value.startswith(("$", "@", "%"))):
            self.refuse(place, value, "is no plain value")

    def check_component(self, place: str, value: dict[str, object], own: object) -> None:
        """Check the target and the arguments of a component that differs from the trusted one."""
        known = own if isinstance(own, dict) else {}
        target, row = value["_target_"], row_of(value["_target_"])
        is_changed = not _same(target, known.get("_target_", _MISSING))
        if row is None and is_changed:
            self.refuse(joined(place, "_target_"), target, "is not on the list of components")
            return
        for key, child in value.items():
            is_same = _same(child, known.get(key, _MISSING))
            if key == "_target_" or (is_same and not is_changed):
                continue
            kind = row.kind(key) if row is not None and isinstance(key, str) else ""
            if row is None or not kind:
                self.refuse(joined(place, key), child, f"is no argument of {target} that is on the list")
            elif not is_same:
                self.check_argument(joined(place, key), key, child, known.get(key, _MISSING), row)

    def check_argument(self, place: str, name: str, value: object, own: object, row: Row) -> None:
        kind = row.kind(name)
        if isinstance(value, list):
            for index, child in enumerate(value):
                known = own[index] if isinstance(own, list) and index < len(own) else _MISSING
                if not _same(child, known):
                    self.check_argument(joined(place, index), name, child, known, row)
            return
        if kind == "parts" and _is_component(value):
            self.check(place, value, own)
        elif not self.is_named(place, kind, value) and not _holds(row, name, value):
            self.refuse(place, value, f"is not what this argument may hold ({kind})")

    def is_named(self, place: str, kind: str, value: object) -> bool:
        """Whether a reference leads to what the argument may hold.

        An expression or a component that it leads to was made by a trusted file, or is refused in its own place.
        """
        if not (isinstance(value, str) and value.startswith("@")):
            return False
        identifier, named = followed(self.expanded, place)
        if identifier.split("#")[0] in RUN_BY_NAME:
            return False
        if kind == "parts":
            return is_code(named) or _is_component(named) or named is None
        return is_code(named) or (kind == "numbers" and _is_numbers(named))

    def refuse(self, place: str, value: object, reason: str) -> None:
        self.findings.add(place, _refusal(value, reason))


def _holds(row: Row, name: str, value: object) -> bool:
    """Whether an argument may hold a plain value."""
    if isinstance(value, str):
        return row.kind(name) == "words" and row.takes_word(name, value)
    return value is None or (row.kind(name) != "parts" and _is_number(value))


def _list_code(place: str, value: object, findings: Findings) -> None:
    """List every expression, macro and target, that of meta data among them."""
    if isinstance(value, str) and value.startswith(("$", "%")):
        findings.add(place, _refusal(value, "is replaced by what it names"))
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "_target_" and not is_code(child):
                findings.add(joined(place, key), _refusal(child, "is called"))
            else:
                _list_code(joined(place, key), child, findings)


def _refusal(value: object, reason: str) -> str:
    text = repr(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    does = f"would run {text}" if is_code(value) else f"holds {text}, which {reason}"
    return f"a config from outside of bundles/ {does}. {REMEDY}"


def _same(value: object, own: object) -> bool:
    return type(value) is type(own) and value == own


def _is_component(value: object) -> bool:
    return isinstance(value, dict) and "_target_" in value


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _is_numbers(value: object) -> bool:
    return all(map(_is_numbers, value)) if isinstance(value, list) else _is_number(value)


def _is_odd_key(key: object) -> bool:
    """A special key (``_meta_``, ``_disabled_``), an id within an id, or an expression."""
    text = normal(str(key))
    return "#" in text or text.startswith(("$", "@", "%", "+")) or re.fullmatch(r"_\w+_", text) is not None
