"""Overrides on the command line, ``--train#trainer#max_epochs 3``, read as ``python -m monai.bundle`` reads them."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Words:
    """What stands after a command.

    Attributes:
        files: words that belong to no option.
        options: by name, without the dashes; ``-`` within a name is ``_``, as for MONAI.
    """

    files: list[str] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)


def parse(words: Sequence[str], flags: Sequence[str] = ()) -> Words:
    """Files and overrides.

    Args:
        words: of a command line.
        flags: options that need no value, and take none but True and False.

    Returns:
        Values are Python literals where they read as such, else text; an option without a value is True.
    """
    found, index = Words(), 0
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("--") or word == "--":
            found.files.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        name = name.replace("-", "_")
        following = words[index : index + 1]
        if name in flags and not equals and following not in (["True"], ["False"]):
            found.options[name] = True
        elif equals:
            found.options[name] = value_of(text)
        elif index < len(words) and not _is_option(words[index]):
            found.options[name] = value_of(words[index])
            index += 1
        else:
            found.options[name] = True
    return found


def value_of(text: str) -> object:
    """A Python literal, in which bare words are text, or else the text itself; the rule of MONAI's command line."""
    try:
        node = ast.parse(text, mode="eval")
        return ast.literal_eval(_Quoted().visit(node))
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return text


class _Quoted(ast.NodeTransformer):
    """Take names within lists and mappings for text."""

    def visit_Name(self, node: ast.Name) -> ast.Constant:
        return ast.copy_location(ast.Constant(node.id), node)


def _is_option(word: str) -> bool:
    """Whether a word is an option; a negative number is none."""
    return word.startswith("--") or (re.match(r"-[a-zA-Z]", word) is not None)
