"""A document as data, which is written as a page, as plain HTML for a word processor, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from app.pages import page


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph that is set apart; ``kind`` is plain, quiet or warning."""

    text: str
    kind: str = "quiet"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: Names of the columns.
        rows: Rows of as many cells.
        left: Number of columns, from the left, that hold words. The others hold numbers.
        group: Whether a row whose first cell is not empty begins a group.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    group: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and their values."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Tiles:
    """The few numbers that matter most: name, value, and what it rests on."""

    entries: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
        name: Of its file.
        content: PNG, or SVG if the name ends so.
        caption: What it shows.
    """

    name: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Folded:
    """Parts that a page shows when their summary is clicked, and that are printed."""

    summary: str
    parts: Sequence[Part]


Part = str | Heading | Note | Table | Facts | Picture | Folded
"""A string is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    heading: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Document:
    """A title, one line below it, numbers that matter most, and sections."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    tiles: Tiles = Tiles(())

    def pictures(self) -> dict[str, bytes]:
        """The content of all pictures by name."""
        parts = [part for section in self.sections for part in _unfolded(section.parts)]
        return {part.name: part.content for part in parts if isinstance(part, Picture)}


def as_page(document: Document) -> str:
    """One self-contained page (see ``app.pages.page``)."""
    tiles = [page.tiles(document.tiles.entries)] if document.tiles.entries else []
    sections = [page.section(each.heading, [_on_page(part) for part in each.parts]) for each in document.sections]
    return page.page(document.title, document.subtitle, [*tiles, *sections])


def as_plain_html(document: Document) -> str:
    """HTML without styles, scripts and folded parts, which word processors open and paste; pictures are in it."""
    parts = [_element("h1", document.title), _element("p", document.subtitle)]
    if document.tiles.entries:
        parts.append(_plain(_tiles_table(document.tiles)))
    for section in document.sections:
        parts += [_element("h2", section.heading), *(_plain(part) for part in _unfolded(section.parts))]
    return _PLAIN.format(title=document.title, body=Markup("\n").join(parts))


def as_markdown(document: Document, folder: str = "pictures") -> str:
    """GitHub's Markdown.

    Args:
        document: What is written.
        folder: Where its pictures are, seen from the file.
    """
    blocks = [f"# {_escaped(document.title)}", _escaped(document.subtitle)]
    if document.tiles.entries:
        blocks.append(_markdown(_tiles_table(document.tiles), folder))
    for section in document.sections:
        blocks += [f"## {_escaped(section.heading)}", *(_markdown(p, folder) for p in _unfolded(section.parts))]
    return "\n\n".join(block for block in blocks if block) + "\n"


_PLAIN = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:">
<title>{title}</title>
</head>
<body>
{body}
</body>
</html>
""")


def _unfolded(parts: Sequence[Part]) -> Iterator[str | Heading | Note | Table | Facts | Picture]:
    """Parts without folds, whose summaries become headings."""
    for part in parts:
        if isinstance(part, Folded):
            yield Heading(part.summary)
            yield from _unfolded(part.parts)
        else:
            yield part


def _on_page(part: Part) -> str:
    match part:
        case Heading(text):
            return page.subheading(text)
        case Note(text, kind):
            return page.note(text, kind)
        case Table(head, rows, left, group):
            return page.table(head, rows, left, group)
        case Facts(pairs):
            return page.facts(pairs)
        case Picture(name, content, caption):
            return page.picture(content, caption, "svg+xml" if name.endswith(".svg") else "png")
        case Folded(summary, parts):
            return page.folded(summary, page.joined(_on_page(each) for each in parts))
    return part


def _plain(part: str | Heading | Note | Table | Facts | Picture) -> Markup:
    match part:
        case Heading(text):
            return _element("h3", text)
        case Note(text, kind):
            return _element("p", f"Warning: {text}" if kind == "warning" else text)
        case Table(head, rows):
            body = Markup("\n").join(_row("td", row) for row in rows)
            return Markup('<table border="1">\n{}\n{}\n</table>').format(_row("th", head), body)
        case Facts(pairs):
            return _plain(Table(("", ""), pairs))
        case Picture():
            return Markup(_on_page(part))
    return _element("p", part)


def _markdown(part: str | Heading | Note | Table | Facts | Picture, folder: str) -> str:
    match part:
        case Heading(text):
            return f"### {_escaped(text)}"
        case Note(text, kind):
            return f"> {'**Warning:** ' if kind == 'warning' else ''}{_escaped(text)}"
        case Table(head, rows, left):
            rule = [":---" if column < left else "---:" for column in range(len(head))]
            return "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in (head, rule, *rows))
        case Facts(pairs):
            return "\n".join(f"- {_escaped(name)}: {_escaped(value)}" for name, value in pairs)
        case Picture(name, _, caption):
            return f"![{_escaped(caption)}]({folder}/{name})\n\n*{_escaped(caption)}*"
    return _escaped(part)


def _tiles_table(tiles: Tiles) -> Table:
    return Table(("", "value", ""), tiles.entries, left=3)


def _element(tag: str, text: str) -> Markup:
    return Markup("<{0}>{1}</{0}>").format(Markup(tag), text)


def _row(tag: str, cells: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(Markup("").join(_element(tag, cell) for cell in cells))


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    for character in "\\`*_[]<>|#~":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
