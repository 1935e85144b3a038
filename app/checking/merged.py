"""A config that is merged from files and overrides, with the source of each value."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from app.checking.ids import normal, value_at, walk
from app.checking.problems import Problems
from app.nearest import did_you_mean


@dataclass
class MergedConfig:
    """A config merged from files and overrides.

    Attributes:
        config: with files, overrides and macros applied.
        defaults: by id, the values that a later file or the command line replaced.
        problems: those of merging; knows which file set each id.
        first: the first file: that of the bundle, whose values are its defaults.
        brought: by id, what weights brought.
    """

    config: dict[str, object] = field(default_factory=dict)
    defaults: dict[str, object] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)
    first: str = ""
    brought: dict[str, object] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """The ids that later files or the command line set."""
        return [identifier for identifier, source in self.problems.origins.items() if source != self.first]

    def set(self, key: str, value: object, source: str) -> None:
        """Set the value of an id as a later file does, or with a leading ``+`` extend it."""
        identifier = normal(key.removeprefix("+"))
        self.problems.origins[identifier] = source
        parent, _, last = identifier.rpartition("#")
        try:
            holder: Any = value_at(self.config, parent) if parent else self.config
            place: Any = int(last) if isinstance(holder, list) else last
            if not isinstance(holder, list | dict):
                self.problems.add(identifier, f"{parent!r} is {holder!r}, which has no parts: replace all of it.")
                return
            if isinstance(holder, list) or place in holder:
                value = self._replacing(holder[place], value, identifier, key.startswith("+"))
            holder[place] = value
        except (KeyError, ValueError, IndexError):
            known = [each for each, held in walk(self.config) if isinstance(held, dict | list)]
            self.problems.add(identifier, f"there is no {parent or last!r} in the config.{did_you_mean(parent, known)}")

    def _replacing(self, old: object, value: object, identifier: str, extends: bool) -> object:
        """What takes the place of an old value: the old one, extended, or the new one."""
        if extends and isinstance(old, dict) and isinstance(value, dict):
            old.update(value)
        elif extends and isinstance(old, list) and isinstance(value, list):
            old.extend(value)
        elif extends:
            self.problems.add(identifier, "'+' extends only a list by a list or a mapping by a mapping.")
        else:
            self.defaults.setdefault(identifier, deepcopy(old))
            return value
        return old
