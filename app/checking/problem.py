"""What a check found: each problem with its place, collected without repeating one."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_PROBLEMS = 100


class CheckError(ValueError):
    """A configuration cannot work, or may not run; the message lists every problem."""


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Attributes:
        place: file and key path, such as ``train.yaml: train#trainer#max_epochs``.
        text: the value, what is allowed and, where there is one, the nearest known name.
    """

    place: str
    text: str

    def __str__(self) -> str:
        """Give one line."""
        return f"{self.place}: {self.text}" if self.place else self.text


@dataclass
class Findings:
    """Problems in the order in which they were found, one for each id and topic.

    Attributes:
        origins: by id (``train#trainer``, or a top-level key) the file or other source that it was last set by.
        problems: stop a run.
        warnings: do not.
        facts: what was looked at, for the summary.
    """

    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, identifier: str, text: str, topic: str = "") -> None:
        """Add a problem at an id; a second one of the same topic at the same id is not told.

        Raises:
            CheckError: there are too many; lists those that were found.
        """
        key = (identifier, topic or text)
        if key in self._seen:
            return
        if len(self.problems) >= MOST_PROBLEMS:
            told = "\n".join(f"  {problem}" for problem in self.problems)
            raise CheckError(f"more than {MOST_PROBLEMS} problems:\n{told}\n  ... the others were not looked for.")
        self._seen.add(key)
        self.problems.append(Problem(self.place(identifier), text))

    def warn(self, identifier: str, text: str) -> None:
        """Add a warning at an id."""
        self.warnings.append(Problem(self.place(identifier), text))

    def place(self, identifier: str) -> str:
        """The source that set an id or the nearest of its parents, and the id."""
        parts = identifier.split("#")
        for length in range(len(parts), 0, -1):
            source = self.origins.get("#".join(parts[:length]))
            if source:
                return f"{source}: {identifier}"
        return identifier
