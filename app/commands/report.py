"""``frugal report``: one run on one self-contained page."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="write one self-contained HTML page about a run",
        description="Write one HTML page about a run: its data, the flow of cases, who the patients are, its results "
        "with intervals, curves, subgroups, cases and settings, and checklists filled in as far as the run knows. The "
        "page fetches nothing and names no patient.",
    )
    parser.add_argument("word", metavar="RUN", help="output folder, or id or name of a run in MLflow")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.html",
        help="file to write (default: report.html in the folder, or report-RUN.html)",
    )
    parser.add_argument(
        "--hand-in",
        type=Path,
        metavar="DIR",
        help="write the page, and the report, a model card and the checklists CLAIM 2024, STARD-AI and TRIPOD+AI as "
        "Markdown and plain HTML, into this folder instead",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Gather and write."""
    from app.comparing.run_files import open_run_files
    from app.files.atomic import write_whole
    from app.reporting.hand_in import write_hand_in
    from app.reporting.report_page import report_page
    from app.reporting.run_record import read_run

    if arguments.hand_in is not None and arguments.out is not None:
        raise ValueError("--hand-in names a folder for several files, --out one file: choose one.")
    if arguments.out is not None and arguments.out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"--out {arguments.out}: the report is a page in HTML; name a file that ends in .html.")
    files = open_run_files(arguments.word)
    if arguments.hand_in is not None:
        written = write_hand_in(read_run(files), arguments.hand_in)
        lines = [f"report of {files.name}, model card and checklists written to {arguments.hand_in}:"]
        sys.stdout.write(
            "\n".join([*lines, *(f"  {path.name}" for path in written if path.parent == arguments.hand_in), ""])
        )
        return
    name = re.sub(r"[^\w.\-]+", "_", files.name)
    path = arguments.out or (files.folder / "report.html" if files.folder else Path(f"report-{name}.html"))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, report_page(files))
    sys.stdout.write(f"report of {files.name} written to {path}\n")
