"""One self-contained HTML page: headings, tables, pictures and notes, with nothing fetched and no script."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from app.pages.style import STYLE


class Html(str):
    """Text that is HTML already and goes into a page as it is; plain ``str`` is escaped."""

    __slots__ = ()


Cell = str
"""A cell of a table: plain text, or ``Html``."""


def page(title: str, subtitle: str, body: Sequence[str]) -> str:
    """A whole page.

    The policy in its head forbids a browser to fetch anything: styles are in the page and pictures are data.

    Args:
        title: heading, and name of the window.
        subtitle: one line below it.
        body: parts from the other functions here.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escaped(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body><main>",
            f"<header><h1>{escaped(title)}</h1><p>{escaped(subtitle)}</p></header>",
            *body,
            "</main></body>",
            "</html>",
            "",
        ]
    )


def section(heading: str, parts: Sequence[str]) -> Html:
    """A part of the page under a heading; parts that are plain text become paragraphs."""
    inner = "\n".join(part if isinstance(part, Html) else f"<p>{escaped(part)}</p>" for part in parts)
    return Html(f"<section><h2>{escaped(heading)}</h2>\n{inner}\n</section>")


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]], left: int = 1, group: bool = False) -> Html:
    """A table that scrolls by itself where the window is narrow.

    Args:
        head: names of the columns.
        rows: as many cells each.
        left: how many columns, from the left, hold words; the others hold numbers.
        group: draw a line above each row whose first cell is not empty.
    """
    lines = ["<tr>" + "".join(_cell("th", cell, place < left) for place, cell in enumerate(head)) + "</tr>"]
    for row in rows:
        kind = ' class="group"' if group and row[0] else ""
        lines.append(
            f"<tr{kind}>" + "".join(_cell("td", cell, place < left) for place, cell in enumerate(row)) + "</tr>"
        )
    return Html(
        f'<div class="scroll"><table><thead>{lines[0]}</thead><tbody>{"".join(lines[1:])}</tbody></table></div>'
    )


def wide(svg: str) -> Html:
    """A drawing that scrolls by itself where the window is narrow."""
    return Html(f'<div class="scroll">{svg}</div>')


def facts(pairs: Sequence[tuple[str, str]]) -> Html:
    """Names with their values, in two columns."""
    inner = "".join(f"<dt>{escaped(name)}</dt><dd>{escaped(text)}</dd>" for name, text in pairs)
    return Html(f"<dl>{inner}</dl>")


def tiles(entries: Sequence[tuple[str, str, str]]) -> Html:
    """The few numbers that matter most: what, value, and what it rests on."""
    inner = "".join(
        f'<div class="tile"><span>{escaped(what)}</span><strong>{escaped(number)}</strong>'
        f"<em>{escaped(rest)}</em></div>"
        for what, number, rest in entries
    )
    return Html(f'<div class="tiles">{inner}</div>')


def note(text: str, kind: str = "plain") -> Html:
    """A paragraph set apart; ``kind`` is plain, quiet or warning."""
    return Html(f'<p class="note {kind}">{escaped(text)}</p>')


def picture(path: Path, caption: str) -> Html:
    """A PNG file, embedded, with its caption."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    words = escaped(caption)
    return Html(
        f'<figure><img alt="{words}" src="data:image/png;base64,{data}"><figcaption>{words}</figcaption></figure>'
    )


def folded(summary: str, part: str) -> Html:
    """A part that is shown when its summary is clicked; needs no script."""
    return Html(f"<details><summary>{escaped(summary)}</summary>{escaped(part)}</details>")


def swatch(model: int, text: str) -> Html:
    """A text with the colour of a model before it."""
    return Html(f'<span class="swatch s{model}"></span>{escaped(text)}')


def strong(text: str) -> Html:
    """A number that stands out."""
    return Html(f"<strong>{escaped(text)}</strong>")


def escaped(text: str) -> str:
    """HTML of a text; ``Html`` stays as it is."""
    return text if isinstance(text, Html) else html.escape(text)


def _cell(tag: str, cell: Cell, is_word: bool) -> str:
    # A true minus sign lines up with the plus sign; words keep their hyphens.
    text = escaped(cell) if is_word or isinstance(cell, Html) else escaped(cell).replace("-", "\N{MINUS SIGN}")
    return f'<{tag} class="{"word" if is_word else "number"}">{text}</{tag}>'
