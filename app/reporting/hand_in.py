"""What can be handed in about a run: the report, a model card and checklists, as files to read and to complete."""

from __future__ import annotations

from pathlib import Path

from app.files.atomic import write_files
from app.pages.document import Document, as_markdown, as_page, as_plain_html
from app.reporting.report_page import checklists, report
from app.reporting.run_record import RunRecord

PICTURES = "pictures"


def write_hand_in(record: RunRecord, folder: Path) -> tuple[Path, ...]:
    """Write ``report.html`` (a page) and, each as plain HTML and as Markdown, the report, model card and checklists.

    Plain HTML is for word processors; its pictures are in it. Those of Markdown are files in ``pictures``.

    Args:
        record: Of the run.
        folder: It is made; files of these names in it are replaced.

    Returns:
        The files.
    """
    whole = report(record)
    contents: dict[str, str | bytes] = {"report.html": as_page(whole)}
    documents: dict[str, Document] = {"report": whole, **checklists(record)}
    for name, document in documents.items():
        contents[f"{name}.md"] = as_markdown(document, PICTURES)
        contents[f"{name}_plain.html"] = as_plain_html(document)
    contents |= {f"{PICTURES}/{name}": content for name, content in whole.pictures().items()}
    return write_files(folder, contents)
