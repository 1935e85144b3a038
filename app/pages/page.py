"""One self-contained HTML page: headings, tables, pictures and notes. It fetches nothing and runs nothing.

Plain text is escaped wherever it enters; ``Markup`` is HTML already.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from app.pages.style import STYLE

_RANGE = re.compile(r"\d+-\d+")

# The policy forbids browsers to fetch anything: styles are in the page and pictures are data.
_PAGE = Markup("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
<header><h1>{title}</h1><p>{subtitle}</p></header>
{body}
</main></body>
</html>
""")


def page(title: str, subtitle: str, sections: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Heading, and title of the window.
        subtitle: One line below it.
        sections: Parts from the other functions here.
    """
    return _PAGE.format(title=title, subtitle=subtitle, style=Markup(STYLE), body=Markup("\n").join(sections))


def section(heading: str, parts: Iterable[str]) -> Markup:
    """Parts under a heading; plain text becomes a paragraph.

    Example:
        >>> print(section("A & B", ["x < y"]))
        <section><h2>A &amp; B</h2>
        <p>x &lt; y</p>
        </section>
    """
    return Markup("<section><h2>{}</h2>\n{}\n</section>").format(heading, joined(parts))


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other; plain text becomes a paragraph."""
    paragraph = Markup("<p>{}</p>")
    return Markup("\n").join(part if isinstance(part, Markup) else paragraph.format(part) for part in parts)


def subheading(text: str) -> Markup:
    """A heading within a section."""
    return Markup("<h3>{}</h3>").format(text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1, group: bool = False) -> Markup:
    """A table, which scrolls by itself in a narrow window.

    Args:
        head: Names of the columns.
        rows: Rows of as many cells.
        left: Number of columns, from the left, that hold words. The others hold numbers.
        group: Whether to draw a line above each row whose first cell is not empty.
    """
    lines = []
    for row in rows:
        kind = Markup(' class="group"' if group and row[0] else "")
        lines.append(Markup("<tr{}>{}</tr>").format(kind, _cells("td", row, left)))
    return Markup('<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        _cells("th", head, left), Markup("").join(lines)
    )


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and their values in two columns."""
    row = Markup("<dt>{}</dt><dd>{}</dd>")
    return Markup("<dl>{}</dl>").format(Markup("").join(row.format(name, value) for name, value in pairs))


def tiles(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """The few numbers that matter most: name, value, and what it rests on."""
    tile = Markup('<div class="tile"><span>{}</span><strong>{}</strong><em>{}</em></div>')
    return Markup('<div class="tiles">{}</div>').format(Markup("").join(tile.format(*entry) for entry in entries))


def note(text: str, kind: str = "plain") -> Markup:
    """A paragraph that is set apart; ``kind`` is plain, quiet or warning."""
    return Markup('<p class="note {}">{}</p>').format(kind, text)


def picture(content: bytes, caption: str, subtype: str = "png") -> Markup:
    """A picture with its caption; ``subtype`` is that of the media type, such as ``svg+xml``."""
    data = base64.b64encode(content).decode("ascii")
    figure = Markup('<figure><img alt="{}" src="data:image/{};base64,{}"><figcaption>{}</figcaption></figure>')
    return figure.format(caption, subtype, data, caption)


def folded(summary: str, part: str) -> Markup:
    """A part that opens when its summary is clicked."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, part)


def swatch(model: int, text: str) -> Markup:
    """A text after a square in the colour of a model."""
    return Markup('<span class="swatch s{}"></span>{}').format(model, text)


def strong(text: str) -> Markup:
    """A number that stands out."""
    return Markup("<strong>{}</strong>").format(text)


def _cells(tag: str, row: Sequence[str], left: int) -> Markup:
    cells = []
    for column, cell in enumerate(row):
        kind = "word" if column < left else "number"
        show = _words if column < left else _number
        text = cell if isinstance(cell, Markup) or tag == "th" else show(cell)
        cells.append(Markup('<{0} class="{1}">{2}</{0}>').format(tag, kind, text))
    return Markup("").join(cells)


def _words(cell: str) -> str:
    """Words; a range such as 60-79 does not break."""
    return cell.replace("-", "\N{NON-BREAKING HYPHEN}") if _RANGE.fullmatch(cell) else cell


def _number(cell: str) -> str:
    """A number with its interval, which breaks between the two alone; a true minus sign is as wide as a plus sign."""
    unbroken = cell.replace("-", "\N{MINUS SIGN}").replace(" ", "\N{NO-BREAK SPACE}")
    return unbroken.replace("\N{NO-BREAK SPACE}[", " [")
