"""What the words after ``frugal train``, ``evaluate`` and ``predict`` mean."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.installed import find_config

_FLAGS = ("trust", "traceback")


@dataclass(frozen=True)
class Words:
    """The words of a command line after those that have a place of their own.

    Attributes:
        further: Those that belong to no option.
        overrides: Settings by id, as for ``python -m monai.bundle run``.
        trust: Whether config files may run code wherever they lie.
    """

    further: list[str]
    overrides: dict[str, object]
    trust: bool


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust`` and all words that follow, as the parser's last arguments."""
    parser.add_argument(
        "--trust", action="store_true", help="allow configs from outside of the installation to run code of their own"
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="settings: --max_epochs 3 --seed 1 ...")
    parser.set_defaults(parser=parser)


def read_words(arguments: argparse.Namespace) -> Words:
    """Read the words that `add_words` made room for; ``--help`` among them shows the help and exits."""
    if {"-h", "--help"} & set(arguments.words):
        arguments.parser.print_help()
        sys.exit(0)
    further, options = files_and_overrides(arguments.words, _FLAGS)
    arguments.traceback = bool(options.pop("traceback", arguments.traceback))
    trust = options.pop("trust", arguments.trust) is True
    return Words(further, options, trust)


def config_files(bundle: str, *further: str) -> list[Path]:
    """The config files of a training.

    Args:
        bundle: Name, folder or training config.
        further: Config files on top; also names of the bundle's own configs, such as ``published``.

    Raises:
        FileNotFoundError: There is no such bundle or config.
    """
    first = find_config(bundle)
    own = {path.stem: path for path in first.parent.glob("*.yaml")}
    unknown = [each for each in further if each not in own and not {".", "/"} & set(each)]
    if unknown:
        raise FileNotFoundError(f"{unknown[0]}: no such config. Give a file, or one of {', '.join(sorted(own))}.")
    return [first, *(own[each] if each in own else find_config(each) for each in further)]


def files_and_overrides(words: Sequence[str], flags: Sequence[str] = ()) -> tuple[list[str], dict[str, object]]:
    """Split a command line into files and overrides, as ``python -m monai.bundle`` reads it.

    Args:
        words: of the command line.
        flags: options without a value, or with True or False.

    Returns:
        The words that belong to no option, and the value of each option. Names have ``_`` for ``-``; values are Python
        literals if they read as such, else text; an option without a value is True.

    Example:
        >>> files_and_overrides(["train.yaml", "--train#trainer#max_epochs", "3", "--amp"])
        (['train.yaml'], {'train#trainer#max_epochs': 3, 'amp': True})
    """
    from fire.parser import DefaultParseValue  # MONAI's own command line

    files: list[str] = []
    options: dict[str, object] = {}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("--") or word == "--":
            files.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        name = name.replace("-", "_")
        takes_value = waiting[0] in ("True", "False") if waiting and name in flags else bool(waiting)
        if equals:
            options[name] = DefaultParseValue(text)
        elif takes_value and not _is_option(waiting[0]):
            options[name] = DefaultParseValue(waiting.pop(0))
        else:
            options[name] = True
    return files, options


def _is_option(word: str) -> bool:
    """Whether a word is an option; a negative number is not."""
    return word.startswith("--") or (re.match(r"-[a-zA-Z]", word) is not None)


def refuse_further(further: Sequence[str], command: str) -> None:
    """Refuse words that belong to no option.

    Raises:
        ValueError: Names the first.
    """
    if further:
        raise ValueError(f"{further[0]!r} belongs to no option; settings are given as --key value: {command} --help")
