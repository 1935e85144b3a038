"""What the cells of a column of labels say: numbers, words in several languages, and words of one's own."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.datalist.arguments import names
from app.findings import ABSENT, NOT_SAID, PRESENT, UNCERTAIN
from app.label_words import WORDS

MINUS = ("-", "\u2013", "\u2212")
"""Absent in a column that has a plus somewhere; elsewhere a dash may as well stand for nothing."""
EMPTY_WORDS = frozenset({"", "na", "n/a", "n.a.", "<na>", "#n/a", "nan", "null", "<null>"})
"""How programs write an empty cell."""
OPTIONS = {"present": PRESENT, "absent": ABSENT, "uncertain": UNCERTAIN, "not_said": NOT_SAID}
_WORDY = 3
"""Words of a cell, on average, from which those that are no labels are sentences."""
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)")


class LabelColumn(NamedTuple):
    """The cells of one column of labels."""

    labels: list[float]
    """Of each row; not said for a cell that is no label."""
    unknown: dict[str, list[int]]
    """The rows of each text that is no label."""

    @property
    def is_free_text(self) -> bool:
        """Whether at least half of the cells that are filled in are sentences, as in a report."""
        filled = sum(label != NOT_SAID for label in self.labels)
        rows = {text: len(numbers) for text, numbers in self.unknown.items()}
        count = sum(rows.values())
        return count > 0 and count >= filled and sum(len(text.split()) * rows[text] for text in rows) >= _WORDY * count


class LabelReader:
    """Reads columns of labels.

    Args:
        empty: The meaning of an empty cell.
        given: Meanings of words or numbers, which come before ``WORDS`` and the numbers' own meanings.

    Example:
        >>> LabelReader(given={"evtl.": UNCERTAIN}).column(["Ja", "0,25", "evtl.", "", "2"])
        LabelColumn(labels=[1, 0.25, -1, -2, -2], unknown={'2': [4]})
    """

    def __init__(self, empty: int = NOT_SAID, given: Mapping[str, int] | None = None) -> None:
        self._empty = empty
        self._given = {_word(text): value for text, value in (given or {}).items()}
        self._given_numbers = {_number(text): value for text, value in self._given.items() if _number(text) is not None}

    def column(self, cells: Sequence[str]) -> LabelColumn:
        """Read the cells of a column, all of which show whether a dash means absent."""
        texts = [_word(cell) for cell in cells]
        meanings: dict[str, float | None] = {text: self._meaning(text) for text in set(texts)}
        if "+" in meanings:
            meanings |= {dash: ABSENT for dash in MINUS if meanings.get(dash, "") is None}
        unknown: dict[str, list[int]] = defaultdict(list)
        labels: list[float] = []
        for row, text in enumerate(texts):
            meaning = meanings[text]
            if meaning is None:
                unknown[cells[row].strip()].append(row)
            labels.append(NOT_SAID if meaning is None else meaning)
        return LabelColumn(labels, dict(unknown))

    def _meaning(self, text: str) -> float | None:
        if text in self._given:
            return self._given[text]
        value = _number(text)
        if value is not None:
            if value in self._given_numbers:
                return self._given_numbers[value]
            is_label = value == UNCERTAIN or 0 <= value <= 1
            return (int(value) if value == int(value) else value) if is_label else None
        return self._empty if text in EMPTY_WORDS else WORDS.get(text)


def decimal_point(text: str) -> str:
    """A number with a decimal point, if it has a decimal comma; any other text as it is.

    Example:
        >>> decimal_point("61,5"), decimal_point("061Y"), decimal_point("1,2,3")
        ('61.5', '061Y', '1,2,3')
    """
    return text.replace(",", ".") if _NUMBER.fullmatch(text.strip()) else text


def add_word_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what words in columns of labels mean; `given_words` reads them."""
    for option, meaning in (
        ("present", "present, besides 1, yes, true, positive, + and the like"),
        ("absent", "absent, besides 0, no, false, negative and the like"),
        ("uncertain", "uncertain, besides -1, ? and the like"),
        ("not-said", "that nobody said anything, like an empty cell"),
    ):
        parser.add_argument(
            f"--{option}",
            type=names,
            action="extend",
            default=[],
            metavar="A,B",
            help=f"words or numbers in label columns that mean {meaning}",
        )


def given_words(arguments: argparse.Namespace) -> dict[str, int]:
    """The meanings of words that the command line gives.

    Raises:
        ValueError: A word has two meanings.
    """
    given: dict[str, int] = {}
    for option, meaning in OPTIONS.items():
        for text in getattr(arguments, option):
            if given.setdefault(_word(text), meaning) != meaning:
                raise ValueError(f"--{option.replace('_', '-')} {text}: the word has another meaning as well.")
    return given


def _word(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFC", cell).casefold().split())


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None
