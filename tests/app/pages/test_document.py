"""One document in three forms: page, plain HTML, Markdown."""

from html.parser import HTMLParser

import pytest

from app.pages.document import (
    Document,
    Facts,
    Folded,
    Heading,
    Note,
    Picture,
    Section,
    Table,
    Tiles,
    as_markdown,
    as_page,
    as_plain_html,
)

DOCUMENT = Document(
    "A <report>",
    "of 3 cases",
    [
        Section(
            "Results & more",
            [
                "Words | with * marks.",
                Heading("Areas"),
                Table(("finding", "AUC [95%]"), [("Mass_1", "-0.700 [0.600, 0.800]"), ("60-79", "n/a")]),
                Facts([("seed", "3")]),
                Note("Look out.", "warning"),
                Folded("More", [Note("Inside."), Folded("Deeper", [Facts([("a", "b")])])]),
                Picture("flow.svg", b"<svg/>", "The flow."),
            ],
        )
    ],
    Tiles([("AUC", "0.7", "of 1")]),
)


class Tags(HTMLParser):
    """Collects the names of elements that are opened and closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.opened.append(tag)

    def handle_endtag(self, tag):
        self.closed.append(tag)


def test_markdown():
    assert as_markdown(DOCUMENT) == "\n".join(
        [
            *("# A \\<report\\>", "", "of 3 cases", ""),
            *("|  | value |  |", "| :--- | :--- | :--- |", "| AUC | 0.7 | of 1 |", ""),
            *("## Results & more", "", "Words \\| with \\* marks.", "", "### Areas", ""),
            *("| finding | AUC \\[95%\\] |", "| :--- | ---: |", "| Mass\\_1 | -0.700 \\[0.600, 0.800\\] |"),
            *("| 60-79 | n/a |", "", "- seed: 3", "", "> **Warning:** Look out.", "", "### More", "", "> Inside.", ""),
            *("### Deeper", "", "- a: b", "", "![The flow.](pictures/flow.svg)", "", "*The flow.*", ""),
        ]
    )


def test_plain_html_has_no_style_and_nothing_folded():
    text = as_plain_html(DOCUMENT)
    tags = Tags(text)
    assert sorted(tags.opened) == sorted(tags.closed)
    assert not {"style", "details", "script", "div", "section"} & set(tags.opened)
    assert "A &lt;report&gt;" in text
    assert "<p>Warning: Look out.</p>" in text
    assert "<h3>Deeper</h3>" in text
    assert "data:image/svg+xml;base64,PHN2Zy8+" in text  # <svg/>


def test_page_folds_and_keeps_numbers_together():
    text = as_page(DOCUMENT)
    tags = Tags(text)
    assert sorted(tags.opened) == sorted(tags.closed)
    assert tags.opened.count("details") == 2
    assert '<div class="tile"><span>AUC</span><strong>0.7</strong><em>of 1</em></div>' in text
    nbsp, minus, hyphen = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}", "\N{NON-BREAKING HYPHEN}"
    assert f"{minus}0.700 [0.600,{nbsp}0.800]" in text
    assert f"60{hyphen}79" in text


def test_pictures_are_found_in_folds():
    inner = Folded("more", [Picture("a.png", b"1", "")])
    assert Document("", "", [Section("", [inner, Picture("b.png", b"2", "")])]).pictures() == {
        "a.png": b"1",
        "b.png": b"2",
    }


@pytest.mark.parametrize("write", [as_page, as_plain_html])
def test_html_fetches_nothing(write):
    assert "default-src &#39;none&#39;" in write(DOCUMENT) or "default-src 'none'" in write(DOCUMENT)
