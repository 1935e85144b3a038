"""The problems that a check collects, each with the file and id where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.installed import short_name

MOST_PROBLEMS = 100


class CheckError(ValueError):
    """A config cannot work, or must not run; the message lists every problem."""


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        place: file and id, such as ``train.yaml: train#trainer#max_epochs``.
        text: names the value, what is allowed and, if there is one, the nearest known name.
    """

    place: str
    text: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclass
class Problems:
    """Problems in the order in which they are found, at most one for each id and topic.

    Attributes:
        origins: for an id (``train#trainer``, or a top-level key), the file or other source that set it last.
        problems: stop a run.
        warnings: do not stop a run.
        facts: what was looked at, for the summary.
    """

    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, identifier: str, text: str, topic: str = "") -> None:
        """Add a problem at an id, unless the id already has one of the same topic (by default: the same text).

        Raises:
            CheckError: there are too many; lists those found so far.
        """
        key = (identifier, topic or text)
        if key in self._seen:
            return
        if len(self.problems) >= MOST_PROBLEMS:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            raise CheckError(f"more than {MOST_PROBLEMS} problems:\n{lines}\n  ... the check stopped here.")
        self._seen.add(key)
        self.problems.append(Problem(self._place(identifier), text))

    def warn(self, identifier: str, text: str) -> None:
        """Add a warning at an id."""
        self.warnings.append(Problem(self._place(identifier), text))

    def _place(self, identifier: str) -> str:
        """The id, after the source that set it or the nearest of its parents."""
        parts = identifier.split("#")
        for length in range(len(parts), 0, -1):
            source = self.origins.get("#".join(parts[:length]))
            if source:
                return f"{short_name(source)}: {identifier}"
        return identifier
