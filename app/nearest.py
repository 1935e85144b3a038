"""Hints for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_NAMES = 5_000


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A sentence for error messages that suggests the known name most similar to an unknown one.

    Returns:
        The sentence after a space; empty if no name is similar, or if there are too many to compare in a second.

    Example:
        >>> did_you_mean("max_epoch", ["max_epochs", "seed"])
        " Did you mean 'max_epochs'?"
        >>> did_you_mean("xyz", ["max_epochs", "seed"])
        ''
    """
    text = str(name)
    # Names of a similarity of 0.6, difflib's least, differ in length by a factor of less than 7/3.
    names = sorted(each for each in known if 3 * len(text) <= 7 * len(each) <= 49 / 3 * len(text))
    similar = difflib.get_close_matches(text, names, n=1) if len(names) <= _MOST_NAMES else []
    return f" Did you mean {similar[0]!r}?" if similar else ""
