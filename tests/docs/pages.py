"""The pages of documentation, and the blocks of code on them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/tutorials/*.md", "bundles/*/docs/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
NOT_RUN = "not-run"
"""Behind ``sh``: the commands are only checked."""
_BLOCK = re.compile(r"^( *)```(\w+)(?: +([\w-]+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml|csv|json))(?:\n|:| \()")


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        language: Behind the fence.
        mark: Behind the language, such as ``not-run``.
        text: What is in it.
    """

    language: str
    mark: str
    text: str

    @property
    def file(self) -> str:
        """The file that the reader is to write it to, which a comment in its first line names; else empty."""
        named = _FILE.match(self.text) if self.language in ("python", "yaml") else None
        return named[1] if named else ""

    @property
    def edits(self) -> tuple[str, list[tuple[str, str]]]:
        """The file that a diff changes, which its first line names, and the parts of its text before and after."""
        name, _, hunks = self.text.partition("\n")
        parts = [hunk.splitlines(keepends=True) for hunk in hunks.split("@@\n")]
        before = ["".join(line[1:] for line in part if line[0] != "+") for part in parts]
        after = ["".join(line[1:] for line in part if line[0] != "-") for part in parts]
        return name.removeprefix("--- "), list(zip(before, after, strict=True))

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command that is to be run."""
        if self.language != "sh" or self.mark == NOT_RUN:
            return []
        lines = re.sub(r"\\\n", " ", self.text).splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    return [
        Block(language, mark, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
        for indent, language, mark, text in _BLOCK.findall(page.read_text())
    ]


def without_runs(page: Path) -> str:
    """The text of a page without the blocks whose commands are run."""
    return _BLOCK.sub(lambda block: "" if Block(*block.groups("")[1:]).commands else block[0], page.read_text())


def runs(page: Path) -> bool:
    """Whether any command of a page is to be run."""
    return any(block.commands for block in blocks(page))
