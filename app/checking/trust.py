"""Whether untrusted config files hold only what such a file may hold, found out before anything is evaluated.

Evaluating a config runs every ``$`` expression and calls whatever a ``_target_`` names, with any argument. Trusted are
the files in the ``bundles`` folder of this installation, folders that the user names, and what the user types. Any
other file may only set plain values of settings that a trusted file has, and components of ``app.checking.allowed``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.checking.allowed import AllowedArguments, ArgumentKind, allowed_arguments
from app.checking.ids import followed, is_code, is_literal, joined, normal
from app.checking.problems import Problems
from app.checking.structure import OF_RESULTS, RUN_BY_NAME
from app.installed import bundles_folder
from app.nearest import did_you_mean

VARIABLE = "FRUGAL_TRUSTED"
"""Environment variable that names further folders of trusted configs, separated as in ``PATH``."""
REMEDY = "Read it first; then allow it: --trust for frugal, --trust True for python -m monai.bundle."

_KEY = re.compile(r"\+?\w+((::|#)\w+)*", re.ASCII)
_MISSING = object()
_SHOWN = 100


def trusted_folders() -> list[Path]:
    """Folders whose configs may run code."""
    named = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [folder.resolve() for folder in (bundles_folder(), *named)]


def is_trusted(file: Path) -> bool:
    """Whether a file lies in a trusted folder, once links are followed."""
    real = file.resolve()
    return any(real.is_relative_to(folder) for folder in trusted_folders())


def refuse_first(content: object, file: Path, problems: Problems) -> None:
    """Refuse an untrusted file that is the first config, and list everything that it would run."""
    problems.add(
        "",
        f"{file}: this config from outside of the installation stands first: MONAI takes metadata.json and "
        f"logging.conf from beside the first config, and lets Python import from its folder. {REMEDY}",
    )
    _list_code("", content, problems)


def check_keys(content: Iterable[object], source: Path, problems: Problems) -> None:
    """Find top-level keys that MONAI may read as another id than they seem to name."""
    for key in content:
        if not _KEY.fullmatch(str(key)):
            problems.add("", f"{source}: {str(key)!r} is no id such as max_epochs or train::trainer::amp. {REMEDY}")


def check_untrusted(
    config: Mapping[str, object], own: Mapping[str, object], expanded: object, problems: Problems
) -> None:
    """Find what untrusted files hold but may not.

    Args:
        config: merged of all files and what the user typed, before macros are replaced.
        own: merged of trusted files and what the user typed alone.
        expanded: the config with its macros replaced, in which references are looked up.
        problems: to add to; knows which file set each id.
    """
    checker = _UntrustedParts(problems, expanded)
    for key, value in config.items():
        if key in OF_RESULTS and key not in own:
            checker.check(key, value, None)
        elif key not in own:
            text = f"{key!r} is no setting of this bundle's own configs.{did_you_mean(key, own)}"
            problems.add(key, text, "unused")
        elif key in RUN_BY_NAME and not _same(value, own[key]):
            checker.refuse(key, value, "is what MONAI runs")
        else:
            checker.check(key, value, own[key])


class _UntrustedParts:
    """Checks the parts of a config that differ from the trusted config.

    Args:
        problems: to add to.
        expanded: the whole config with its macros replaced, in which references are looked up.
    """

    def __init__(self, problems: Problems, expanded: object) -> None:
        self.problems = problems
        self.expanded = expanded

    def check(self, identifier: str, value: object, own: object) -> None:
        """Check a value, given what trusted files hold at its id."""
        if _same(value, own):
            return
        if isinstance(value, dict) and "_target_" in value:
            self._check_component(identifier, value, own if _is_component(own) else {})
        elif _is_component(own) and not _is_scalar(value):
            self.refuse(identifier, value, "stands in the place of a component")
        elif isinstance(value, dict):
            for key, child in value.items():
                if _is_odd_key(key):
                    self.refuse(joined(identifier, key), child, f"{key!r} means more to MONAI than a name")
                else:
                    self.check(joined(identifier, key), child, _entry(own, key))
        elif isinstance(value, list):
            for index, child in enumerate(value):
                self.check(joined(identifier, index), child, _element(own, index))
        elif not _is_scalar(value) and not (isinstance(value, str) and is_literal(value)):
            self.refuse(identifier, value, "is no plain value")

    def _check_component(self, identifier: str, component: Mapping[object, object], own: object) -> None:
        """Check the target and the arguments of a component that differs from the trusted one."""
        target = component["_target_"]
        allowed = allowed_arguments(target)
        is_other_target = not _same(target, _entry(own, "_target_"))
        if allowed is None and is_other_target:
            self.refuse(joined(identifier, "_target_"), target, "is not on the list of components")
            return
        for key, child in component.items():
            is_same = _same(child, _entry(own, key))
            if key == "_target_" or (is_same and not is_other_target):
                continue
            if allowed is None or not isinstance(key, str) or allowed.kind(key) is None:
                self.refuse(joined(identifier, key), child, f"is no argument of {target} that is on the list")
            elif not is_same:
                self._check_argument(joined(identifier, key), key, child, _entry(own, key), allowed)

    def _check_argument(
        self, identifier: str, name: str, value: object, own: object, allowed: AllowedArguments
    ) -> None:
        kind = allowed.kind(name)
        if isinstance(value, list):
            for index, child in enumerate(value):
                if not _same(child, _element(own, index)):
                    self._check_argument(joined(identifier, index), name, child, _element(own, index), allowed)
        elif kind == "components" and _is_component(value):
            self.check(identifier, value, own)
        elif isinstance(value, str) and value.startswith("@"):
            if not self._is_allowed_reference(identifier, kind):
                self.refuse(identifier, value, f"leads to what this argument may not hold (only {kind})")
        elif not _is_allowed_value(value, kind, name, allowed):
            self.refuse(identifier, value, f"is not what this argument may hold ({kind})")

    def _is_allowed_reference(self, identifier: str, kind: ArgumentKind | None) -> bool:
        """Whether a reference leads to what an argument may hold.

        Expressions and components at its end come from a trusted file, or are refused in their own place.
        """
        end, value = followed(self.expanded, identifier)
        if end.split("#")[0] in RUN_BY_NAME:
            return False
        if kind == "components":
            return is_code(value) or _is_component(value) or value is None
        return is_code(value) or (kind == "numbers" and _is_numbers(value))

    def refuse(self, identifier: str, value: object, reason: str) -> None:
        """Add the problem that a value may not be there."""
        self.problems.add(identifier, _refusal(value, reason))


def _is_allowed_value(value: object, kind: ArgumentKind | None, name: str, allowed: AllowedArguments) -> bool:
    if isinstance(value, str):
        return kind == "words" and allowed.takes_word(name, value)
    return value is None or (kind != "components" and _is_scalar(value))


def _list_code(identifier: str, value: object, problems: Problems) -> None:
    """List every expression, macro and target, including those in ``_meta_``."""
    if isinstance(value, str) and value.startswith(("$", "%")):
        problems.add(identifier, _refusal(value, "is replaced by what it names"))
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if key == "_target_" and not is_code(child):
                problems.add(joined(identifier, key), _refusal(child, "is called"))
            else:
                _list_code(joined(identifier, key), child, problems)


def _refusal(value: object, reason: str) -> str:
    text = repr(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    does = f"would run {text}" if is_code(value) else f"holds {text}, which {reason}"
    return f"a config from outside of the installation {does}. {REMEDY}"


def _entry(own: object, key: object) -> object:
    return own.get(key, _MISSING) if isinstance(own, dict) else _MISSING


def _element(own: object, index: int) -> object:
    return own[index] if isinstance(own, list) and index < len(own) else _MISSING


def _same(value: object, own: object) -> bool:
    return type(value) is type(own) and value == own


def _is_component(value: object) -> bool:
    return isinstance(value, dict) and "_target_" in value


def _is_scalar(value: object) -> bool:
    """Whether a value is null, a truth value or a number."""
    return value is None or isinstance(value, bool | int | float)


def _is_numbers(value: object) -> bool:
    return all(map(_is_numbers, value)) if isinstance(value, list) else _is_scalar(value)


def _is_odd_key(key: object) -> bool:
    """Whether a key is special (``_meta_``, ``_disabled_``), an id within an id, or an expression."""
    text = normal(str(key))
    return "#" in text or text.startswith(("$", "@", "%", "+")) or re.fullmatch(r"_\w+_", text) is not None
