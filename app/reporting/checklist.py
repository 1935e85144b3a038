"""Reporting checklists, filled in as far as the record of a run knows; the rest is left to the author, and said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.pages.document import Document, Note, Section, Table

YOURS = "To be said by you"
ALL = f"{YOURS}."
HEAD = ("item", "asks for", "known from the run", "still to be said")


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    Attributes:
        number: As in the checklist.
        text: What it asks for, in our words.
        facts: Names of the facts that answer it, in part or whole (``app.reporting.facts``).
        rest: What an author has to add even if all facts are known; empty if nothing.
    """

    number: str
    text: str
    facts: tuple[str, ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class Checklist:
    """A checklist.

    Attributes:
        key: Name of its file.
        title: Its name.
        source: The publication, its version and licence.
        groups: Items by heading.
    """

    key: str
    title: str
    source: str
    groups: Mapping[str, Sequence[Item]]

    @property
    def items(self) -> list[Item]:
        """All items, in order."""
        return [item for group in self.groups.values() for item in group]


def filled(checklist: Checklist, facts: Mapping[str, str], run: str) -> Document:
    """The checklist with what is known.

    Args:
        checklist: The items.
        facts: By name; those that the run does not know are missing.
        run: Its name.
    """
    sections = [
        Section(heading, [Table(HEAD, [_row(item, facts) for item in items], left=len(HEAD))])
        for heading, items in checklist.groups.items()
    ]
    known = sum(any(name in facts for name in item.facts) for item in checklist.items)
    whole = sum(_row(item, facts)[-1] == "" for item in checklist.items)
    subtitle = (
        f"{run}: the run answers {whole} of {len(checklist.items)} items, and {known - whole} more in part. "
        "The others are for you."
    )
    about = Note(f"Items are in our words and numbered as in the source, which is what counts: {checklist.source}")
    return Document(f"{checklist.title}, filled in from a run", subtitle, [*sections, Section("Source", [about])])


def _row(item: Item, facts: Mapping[str, str]) -> tuple[str, str, str, str]:
    known = [facts[name] for name in item.facts if name in facts]
    if not known:
        return item.number, item.text, "", ALL
    return item.number, item.text, " ".join(known), f"{YOURS}: {item.rest}" if item.rest else ""
