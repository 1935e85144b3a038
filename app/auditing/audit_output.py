"""An audit in words for a terminal, as tables, and as a page with pictures of the most suspicious labels."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.auditing.audit import Audit, Doubt
from app.datalist.thumbnails import thumbnail
from app.files.atomic import write_files
from app.findings import PRESENT
from app.pages import page
from app.pages.numbers import counted, value
from evaluation.cases import Interval
from evaluation.cells import csv_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE, UNCERTAIN_TABLE, PAGE = "audit.csv", "uncertain.csv", "audit.html"
COLUMNS = ("rank", "image", "patient", "finding", "label", "score", "p", "neighbours", "source")
SHOWN = 24
_ACROSS = 6
_SIMILAR = {
    "features": "similar images by their features",
    "scores": "similar images by their scores, as no features were given (--features)",
    "": "no similar images: there are neither features (--features) nor three findings",
}


def write_audit(audit: Audit, root: Path, folder: Path) -> tuple[Path, ...]:
    """Write the tables and the page; the folder is created if missing.

    Args:
        audit: The result.
        root: The folder that the datalist's paths are relative to.
        folder: Where to.

    Returns:
        The files.
    """
    tables = {TABLE: _table(audit.doubts), UNCERTAIN_TABLE: _table(audit.uncertain)}
    return write_files(folder, {PAGE: audit_page(audit, root), **tables})


def audit_text(audit: Audit) -> str:
    """The audit for a terminal."""
    lines = [_headline(audit), f"Suspicion is by calibrated scores and {_SIMILAR[audit.basis]}.", ""]
    head, rows = _findings(audit)
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines += ["  ".join(map(str.ljust, row, widths)) for row in (head, *rows)]
    return "\n".join([*(line.rstrip() for line in lines), "", *audit.notes]).rstrip()


def audit_page(audit: Audit, root: Path) -> str:
    """The audit as one self-contained HTML page."""
    first = audit.doubts[:SHOWN]
    tiles = [
        ("Labels audited", f"{len(audit.doubts):,}", counted(len(audit.findings), "finding")),
        ("Wrong, estimated", f"{audit.wrong.value:,.0f}", f"90%: {_limits(audit.wrong)}"),
        ("Uncertain labels", f"{len(audit.uncertain):,}", f"not audited; listed in {UNCERTAIN_TABLE}"),
    ]
    head, rows = _findings(audit)
    listed = [(str(d.rank), d.item.image, d.finding, _said(d), f"{d.p:.3f}", value(d.neighbours)) for d in first]
    columns = ("rank", "image", "finding", "labelled", "p of the label", "neighbours that agree")
    sections = [
        page.section("How many labels are wrong", [page.tiles(tiles), page.table(head, rows, left=1), _CAUTION]),
        page.section(
            "The most suspicious labels",
            [
                f"Suspicion is by calibrated scores and {_SIMILAR[audit.basis]}. A suspicious label need not be wrong: "
                "have it read again, without showing this page to the reader.",
                page.picture(_picture(first, root), "The most suspicious labels, with rank and label"),
                page.folded("As a table", page.table(columns, listed, left=4)),
            ],
        ),
    ]
    if audit.notes:
        sections.append(page.section("To be careful with", [page.note(text, "warning") for text in audit.notes]))
    return page.page("Label audit", _headline(audit), sections)


_CAUTION = (
    "The estimate takes wrong labels to be as likely in difficult cases as in clear ones. Errors that the network "
    "repeats, because all labels of their kind are wrong, are not seen. Only re-reading a control sample measures."
)


def _headline(audit: Audit) -> str:
    wrong, weak = audit.wrong, audit.weak
    if weak:
        return (
            f"{len(audit.doubts):,} labels audited; the scores of {', '.join(weak)} are too weak to count wrong ones."
        )
    return f"About {wrong.value:,.0f} of {len(audit.doubts):,} labels are wrong (90%: {_limits(wrong)})."


def _limits(interval: Interval) -> str:
    return f"{math.floor(interval.lower):,} to {math.ceil(interval.upper):,}"


def _findings(audit: Audit) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("finding", "present", "absent", "uncertain", "unknown", "AUC", "wrong (90%)")
    rows = []
    for name, each in audit.findings.items():
        interval = each.wrong.interval
        counts = [f"{number:,}" for number in (each.present, each.absent, each.uncertain, each.unknown)]
        rows.append((name, *counts, value(each.auc), f"{interval.value:,.0f} ({_limits(interval)})"))
    return head, rows


def _said(doubt: Doubt) -> str:
    return "present" if doubt.label == PRESENT else "absent"


def _picture(doubts: Sequence[Doubt], root: Path) -> bytes:
    """The radiographs of labels in a grid, as PNG."""
    figure = _figure(doubts, root)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    return content.getvalue()


def _figure(doubts: Sequence[Doubt], root: Path) -> Figure:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["text.parse_math"] = False  # names of findings may contain $
    tiles = {doubt.item.image: thumbnail(doubt.item, root).pixels for doubt in doubts}
    rows = -(-len(doubts) // _ACROSS)
    figure = Figure(figsize=(2 * _ACROSS, 2.5 * rows), layout="constrained")
    for axes, doubt in zip(figure.subplots(rows, _ACROSS, squeeze=False).ravel(), doubts, strict=False):
        pixels = tiles[doubt.item.image]
        axes.set_title(f"{doubt.rank}: {doubt.finding[:24]}\nlabelled {_said(doubt)}, p {doubt.p:.2f}", fontsize=8)
        if pixels is None:
            axes.text(0.5, 0.5, "cannot be read", ha="center", va="center", fontsize=8)
        else:
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure


def _table(doubts: Sequence[Doubt]) -> str:
    rows: list[Sequence[object]] = [COLUMNS]
    for doubt in doubts:
        numbers = (f"{each:.6g}" if not math.isnan(each) else "" for each in (doubt.score, doubt.p, doubt.neighbours))
        cells = (doubt.rank, doubt.item.image, doubt.item.patient, doubt.finding, f"{doubt.label:g}", *numbers)
        rows.append([*cells, doubt.item.source])
    return csv_text(rows)
