"""Values that cannot be meant: numbers that YAML reads as text, counts below one, another kind than the default."""

from __future__ import annotations

import re

from app.checking.ids import is_literal, walk
from app.checking.kinds import kind
from app.checking.problem import Findings
from app.checking.sources import MissingNameError, words
from app.checking.targets import KIND
from app.nearest import did_you_mean

_EXPONENT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)[eE][+-]?\d+")
_COUNTS = {
    "max_epochs": 1,
    "epochs": 1,
    "batch_size": 1,
    "image_size": 1,
    "accumulation_steps": 1,
    "seed": 0,
    "workers": 0,
    "num_workers": 0,
}
"""By key: whole numbers, and the least that is allowed."""
_PATHS = ("_dir", "_root", "_weights", "checkpoint", "datalist", "start_from")
"""Ends of the keys that name files and folders."""
_POSITIVE = {"learning_rate", "lr", "max_lr"}
_LARGEST_SEED = 2**32 - 1
# By key: where the words that it may be are written, and those that are not written there.
_CHOICES = {
    "section": ("app.datalist.item", "SECTIONS", ()),
    "precision": ("app.engines.device", "PRECISIONS", ("auto",)),
}


def check_exponents(config: dict[str, object], findings: Findings) -> None:
    """Find numbers such as ``1e-4``, which YAML 1.1 reads as text."""
    for identifier, value in walk(config):
        if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
            _tell_exponent(identifier, value.strip(), findings)


def check_values(config: dict[str, object], defaults: dict[str, object], findings: Findings) -> None:
    """Find values that cannot be meant.

    Args:
        config: merged.
        defaults: by id, what an override or a later file replaced.
        findings: to add to.
    """
    for identifier, value in walk(config):
        if is_literal(value):
            _check_one(identifier, identifier.rpartition("#")[2], value, findings)
    found = dict(walk(config))
    for identifier, default in defaults.items():
        if identifier in found:
            _check_kept_kind(identifier, default, found[identifier], findings)


def path_problem(value: object) -> str:
    """Why a setting names no file or folder, or not the one that was meant; empty where it may, and for null.

    MONAI's command line reads 2025 as a number and a,b as a list, and its parser writes "::" for each "#".
    """
    if isinstance(value, list):
        return next(filter(None, map(path_problem, value)), "")
    if value is not None and not isinstance(value, str):
        advice = "write it with the folder that it lies in, such as ./2025 or /data/2025"
        return f"{value!r} is {kind(value)} as it was read, not a file or folder: {advice}."
    if isinstance(value, str) and is_literal(value) and ("::" in value or "#" in value):
        text = (
            f"{value!r}: MONAI writes '::' for each '#' in a text, so that no name of a file or folder may hold either"
        )
        return f"{text}; give it another name."
    return ""


def _tell_exponent(identifier: str, text: str, findings: Findings) -> None:
    mantissa, exponent = re.split("[eE]", text)
    written = (
        f"{mantissa if '.' in mantissa else mantissa + '.0'}e{exponent if exponent[0] in '+-' else '+' + exponent}"
    )
    findings.add(identifier, f"{text!r} is text, not a number, to YAML 1.1: write {written}.", KIND)


def _check_one(identifier: str, key: str, value: object, findings: Findings) -> None:
    if key in _COUNTS and value is not None:
        if not isinstance(value, int) or isinstance(value, bool):
            findings.add(identifier, f"{value!r} is {kind(value)}; {key} is a whole number.", KIND)
        elif value < _COUNTS[key]:
            findings.add(identifier, f"{key} is {value}; at least {_COUNTS[key]} is allowed.", KIND)
        elif key == "seed" and value > _LARGEST_SEED:
            findings.add(identifier, f"seed is {value}; at most {_LARGEST_SEED} is allowed.", KIND)
    elif key in _POSITIVE and value is not None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            findings.add(identifier, f"{value!r} is {kind(value)}; {key} is a number.", KIND)
        elif not value > 0:
            findings.add(identifier, f"{key} is {value}; it must be above 0.", KIND)
    elif key.endswith(_PATHS) and path_problem(value):
        findings.add(identifier, path_problem(value), KIND)
    elif key in _CHOICES and value is not None:
        _check_choice(identifier, key, value, findings)


def _check_choice(identifier: str, key: str, value: object, findings: Findings) -> None:
    module, name, further = _CHOICES[key]
    try:
        allowed = tuple(dict.fromkeys((*further, *words(module, name))))
    except MissingNameError:
        return
    if value not in allowed:
        findings.add(
            identifier, f"{key} is one of {', '.join(allowed)}, not {value!r}.{did_you_mean(str(value), allowed)}"
        )


def _check_kept_kind(identifier: str, default: object, value: object, findings: Findings) -> None:
    """A setting stays a number, text, list or switch; null, and what is evaluated, may become anything."""
    if default is None or value is None or not (is_literal(default) and is_literal(value)):
        return
    if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
        return
    if _group(default) != _group(value):
        findings.add(identifier, f"{value!r} is {kind(value)}, but the default, {default!r}, is {kind(default)}.", KIND)


def _group(value: object) -> str:
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__
