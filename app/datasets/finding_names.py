"""What the names of columns and of annotated categories mean: ``--map``, then the vocabulary of findings."""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Sequence

from app.findings import canonical, plain


class FindingNames:
    """Names of findings in somebody's tables and annotations.

    Args:
        given: Pairs of a name and the finding that it means, as ``--map`` gives them. Case, underscores, hyphens and
            repeated spaces of the name do not matter.

    Raises:
        ValueError: A name is given two findings.

    Example:
        >>> names = FindingNames([("shadow", "Lung Opacity")])
        >>> names.finding("Shadow"), names.finding("ETT"), names.finding("pleural effusion")
        ('Lung Opacity', None, 'Effusion')
    """

    def __init__(self, given: Sequence[tuple[str, str]] = ()) -> None:
        self._given: dict[str, tuple[str, str]] = {}
        for name, finding in given:
            other = self._given.setdefault(plain(name), (name, finding))[1]
            if other != finding:
                raise ValueError(f"--map: {name!r} is to mean {other!r} and {finding!r}. Give it one finding.")
        self._unused = dict.fromkeys(self._given)

    def finding(self, name: str, findings: Sequence[str] = ()) -> str | None:
        """The finding that a name means, or None.

        Args:
            name: Of a column or a category.
            findings: Those of the datalist, which alone may be meant; empty if any may be.
        """
        name = unicodedata.normalize("NFC", name)
        if plain(name) in self._given:
            self._unused.pop(plain(name), None)
            meant = self._given[plain(name)][1]
            return meant if not findings or meant in findings else None
        if not findings:
            return canonical(name)
        return next((each for each in (name, canonical(name)) if each in findings), None)

    def require_used(self) -> None:
        """Refuse names that were given but that no column and no category has.

        Raises:
            ValueError: Names them.
        """
        if self._unused:
            names = ", ".join(repr(self._given[name][0]) for name in self._unused)
            raise ValueError(f"--map: no column of labels and no category is named {names}.")


def add_map_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--map NAME=FINDING``, from which a `FindingNames` is made."""
    parser.add_argument(
        "--map",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=FINDING",
        help="the finding that a column or a category means, such as opacity='Lung Opacity'; may be repeated",
    )


def _pair(text: str) -> tuple[str, str]:
    name, _, finding = (part.strip() for part in unicodedata.normalize("NFC", text).partition("="))
    if not name or not finding:
        raise argparse.ArgumentTypeError(f"{text!r}: a name and a finding, such as opacity='Lung Opacity'")
    return name, canonical(finding) or finding
