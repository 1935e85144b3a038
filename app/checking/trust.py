"""Whether config files from elsewhere would run code of their own.

Evaluating a config runs every ``$`` expression and calls whatever a ``_target_`` names. Files of the ``bundles`` folder
beside this package are trusted, and so is what a user types; a file from elsewhere may hold plain values, references
and components of the packages below, and anything else needs the user's word.
"""

from __future__ import annotations

import os
from pathlib import Path

import app
from app.checking.files import Loaded
from app.checking.ids import is_code, joined, normal, walk
from app.checking.problem import Findings, Problem
from app.checking.sources import MissingNameError, find, short

VARIABLE = "FRUGAL_TRUSTED"
"""Environment variable naming further folders of trusted configs, separated as in ``PATH``."""
ALLOWED = (
    "app.data",
    "app.engines",
    "app.losses",
    "app.networks",
    "transforms",
    "evaluation",
    "ignite.engine",
    "ignite.handlers",
    "ignite.metrics",
    "monai.data",
    "monai.engines",
    "monai.handlers",
    "monai.inferers",
    "monai.losses",
    "monai.metrics",
    "monai.networks",
    "monai.optimizers",
    "monai.transforms",
    "torch.nn",
    "torch.optim",
    "torch.utils.data",
)
"""Packages whose own classes and functions a config from elsewhere may name. Narrower than torch and monai are: these
hold loaders of pickled objects, compilers and downloads as well."""

REMEDY = "Read it first; then allow it: --trust for frugal check, --trust True for a run."


def trusted_folders() -> list[Path]:
    """Folders whose configs may run code."""
    named = [Path(folder) for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return [folder.resolve() for folder in (Path(app.__file__).parents[1] / "bundles", *named)]


def is_trusted(file: Path) -> bool:
    """Whether a file lies in a trusted folder, links followed."""
    real = file.resolve()
    return any(real.is_relative_to(folder) for folder in trusted_folders())


def code_in(content: dict[str, object]) -> list[tuple[str, str]]:
    """(id, text) of all that would run code other than of the allowed packages."""
    found = []
    for identifier, value in walk(content):
        if is_code(value):
            found.append((identifier, str(value)))
        elif isinstance(value, dict) and "_target_" in value and not _is_allowed(value["_target_"]):
            found.append((joined(identifier, "_target_"), str(value["_target_"])))
    # ``train#trainer#_target_: ...`` in a file that goes over another.
    found += [
        (str(key), str(value))
        for key, value in content.items()
        if normal(str(key)).endswith("#_target_") and not _is_allowed(value)
    ]
    return found


def check_trust(loaded: Loaded, findings: Findings, trust: bool = False) -> None:
    """Refuse files from elsewhere that would run code, listing what would run.

    Args:
        loaded: with the content of each file.
        findings: to add to.
        trust: the user's word, from the command line. A file's own ``trust`` counts for nothing.
    """
    for file, content in loaded.contents.items():
        if is_trusted(file):
            continue
        for key in content:
            if normal(str(key)).removeprefix("+") == "trust":
                findings.origins["trust"] = str(file)
                findings.add("trust", "a file cannot ask for trust in itself: give --trust True on the command line.")
        found = [] if trust else code_in(content)
        for identifier, text in found:
            findings.problems.append(_refusal(file, identifier, text))


def _refusal(file: Path, identifier: str, text: str) -> Problem:
    return Problem(f"{file}: {identifier}", f"a config from outside of bundles/ would run {text!r}. {REMEDY}")


def _is_allowed(target: object) -> bool:
    if not isinstance(target, str) or target.startswith(("$", "@", "%")):
        return False
    try:
        found = find(target) if "." in target else short(target)
    except (MissingNameError, SyntaxError):
        # Told elsewhere: there is no such thing. Nothing runs, either.
        return True
    # Where it is defined counts, not under which name it can be reached: torch.os.system is none of torch.
    return found.node is not None and any(
        found.module == each or found.module.startswith(f"{each}.") for each in ALLOWED
    )
