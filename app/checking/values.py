"""Values that cannot be meant: numbers that YAML reads as text, counts below one, another kind than the default."""

from __future__ import annotations

import re

from app.checking.ids import is_literal, walk
from app.checking.kinds import is_integer, is_number, kind
from app.checking.operating_points import prevalence_problem, threshold_rule
from app.checking.problems import Problems
from app.checking.sources import constant_words
from app.checking.targets import KIND
from app.nearest import did_you_mean

_EXPONENT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))[eE]([+-]?)(\d+)")
_COUNTS = ("max_epochs", "epochs", "batch_size", "image_size", "accumulation_steps")
_LEAST = dict.fromkeys(_COUNTS, 1) | dict.fromkeys(("seed", "workers", "num_workers", "patience"), 0)
"""Keys of whole numbers, and the least value of each."""
_LARGEST_SEED = 2**32 - 1
_RATES = {"learning_rate", "lr", "max_lr"}
_PATHS = ("_dir", "_root", "_weights", "checkpoint", "datalist", "start_from")
"""Ends of the keys that name files and folders."""
_SWITCHES = {"pictures"}
# The constant that lists the words of a key, and words that it does not list.
_WORDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "section": ("app.datalist.item", "SECTIONS", ()),
    "precision": ("app.engines.device", "PRECISIONS", ("auto",)),
    "runtime": ("app.engines.runtimes", "RUNTIMES", ("auto",)),
    "recalibration": ("evaluation.recalibration", "METHODS", ("best",)),
}


def check_exponents(config: dict[str, object], problems: Problems) -> None:
    """Find numbers such as ``1e-4``, which YAML 1.1 reads as text."""
    for identifier, value in walk(config):
        match = _EXPONENT.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            mantissa, sign, exponent = match.groups()
            number = f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{sign or '+'}{exponent}"
            text = f"{str(value).strip()!r} is text, not a number, to YAML 1.1: write {number}."
            problems.add(identifier, text, KIND)


def check_values(config: dict[str, object], defaults: dict[str, object], problems: Problems) -> None:
    """Find values that cannot be meant, in themselves or given the defaults that they replaced."""
    values = dict(walk(config))
    for identifier, value in values.items():
        text = _value_problem(identifier.rpartition("#")[2], value) if is_literal(value) and value is not None else ""
        if text:
            problems.add(identifier, text, KIND)
    for text in filter(None, (_rule_problem(config), prevalence_problem(config.get("prevalence")))):
        problems.add(text.partition(" ")[0], text, KIND)
    for identifier, default in defaults.items():
        value = values.get(identifier)
        # Null and expressions may become anything, and anything may become null or an expression. A mapping may stand
        # for one value by name, such as a policy by finding; whatever takes it must allow that.
        is_comparable = None not in (default, value) and is_literal(default) and is_literal(value)
        is_comparable = is_comparable and not isinstance(value, dict)
        if is_comparable and _group(default) != _group(value):
            text = f"{value!r} is {kind(value)}, but the default, {default!r}, is {kind(default)}."
            if isinstance(default, bool):
                text += " Write True or False."
            problems.add(identifier, text, KIND)


def path_problem(value: object) -> str:
    """Why a setting names no file or folder, or not the intended one; empty if it may, and for null.

    MONAI's command line reads 2025 as a number and a,b as a list, and its parser writes "::" for each "#".

    Example:
        >>> path_problem("runs/mine"), path_problem(2025)[:38]
        ('', '2025 is read as a whole number, not as')
    """
    if isinstance(value, list):
        return next(filter(None, map(path_problem, value)), "")
    if value is not None and not isinstance(value, str):
        advice = "write it with the folder it is in, such as ./2025 or /data/2025"
        return f"{value!r} is read as {kind(value)}, not as a file or folder: {advice}."
    if isinstance(value, str) and is_literal(value) and ("::" in value or "#" in value):
        text = f"{value!r}: MONAI writes '::' for each '#' in a text, so no name of a file or folder can hold either"
        return f"{text}; choose another name."
    return ""


def _rule_problem(config: dict[str, object]) -> str:
    value = config.get("operating_point")
    if value is not None:
        try:
            threshold_rule(value)
        except ValueError as error:
            return str(error)
    return ""


def _value_problem(key: str, value: object) -> str:
    """What is wrong with the value of a key; empty if nothing is known to be."""
    if key in _LEAST:
        if not is_integer(value):
            return f"{value!r} is {kind(value)}; {key} is a whole number."
        if value < _LEAST[key]:
            return f"{key} is {value}; at least {_LEAST[key]} is allowed."
        if key == "seed" and value > _LARGEST_SEED:
            return f"seed is {value}; at most {_LARGEST_SEED} is allowed."
    elif key in _RATES:
        if not is_number(value):
            return f"{value!r} is {kind(value)}; {key} is a number."
        if not value > 0:
            return f"{key} is {value}; it must be above 0."
    elif key.endswith(_PATHS):
        return path_problem(value)
    elif key in _SWITCHES:
        return "" if isinstance(value, bool) else f"{key} is true or false, not {value!r}."
    elif key in _WORDS:
        module, name, further = _WORDS[key]
        words = (*further, *constant_words(module, name))
        if value not in words:
            return f"{key} is one of {', '.join(words)}, not {value!r}.{did_you_mean(value, words)}"
    return ""


def _group(value: object) -> str:
    return "number" if is_number(value) else kind(value)
