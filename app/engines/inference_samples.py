"""The radiographs that are scored, as samples without labels: those of a folder or of a datalist."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.datalist.image_names import datalist_names, folder_names
from app.datalist.item import Datalist, Item
from app.datalist.samples import samples
from app.findings import NOT_SAID
from app.prepared.preparing import REFUSED
from app.views.check import ANY_VIEW
from transforms.dicom_header import unsuited_files
from transforms.errors import shown


def folder_samples(
    folder: str | Path, findings: Sequence[str], output_dir: str | Path | None = None, any_view: bool = True
) -> list[dict[str, Any]]:
    """Every file of a folder, at any depth, as a sample without labels; see ``app.files.folders``.

    Args:
        folder: Of radiographs.
        findings: Names, in the network's order.
        output_dir: For results; left out if it lies in the folder.
        any_view: Whether images are wanted whose DICOM headers say that they are no frontal radiographs of the chest
            for presentation; else they are samples with the reason as ``refused``. What headers do not say,
            `app.views.frontal_only` looks for in the pixels.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it.
    """
    root, names = folder_names(folder, output_dir)
    return named_samples(root, names, findings, any_view)


def datalist_samples(
    folder: str | Path, name: str, findings: Sequence[str], any_view: bool = True
) -> list[dict[str, Any]]:
    """Every image of a datalist as a sample without labels, named as the datalist names it.

    Args:
        folder: Of the datalist's file.
        name: Of the datalist's file.
        findings: Names, in the network's order.
        any_view: As in `folder_samples`.

    Raises:
        DatalistError: The file is no datalist, or has no image.
    """
    root, names = datalist_names(Path(folder) / name)
    return named_samples(root, names, findings, any_view)


def no_samples(findings: Sequence[str], any_view: bool = True) -> list[dict[str, Any]]:
    """No sample: those of one chunk after the other follow (``app.archive``), for these findings and views."""
    return []


def named_samples(root: Path, names: Sequence[str], findings: Sequence[str], any_view: bool) -> list[dict[str, Any]]:
    """Files as `file_samples`, by their names below an absolute folder, or beside it."""
    paths = [Path(os.path.normpath(os.path.join(root, name))) for name in names]  # noqa: PTH118
    return file_samples(paths, [shown(name) for name in names], findings, any_view)


def file_samples(
    paths: Sequence[Path], names: Sequence[str], findings: Sequence[str], any_view: bool = True
) -> list[dict[str, Any]]:
    """Some files as samples without labels, refused if their headers say that they are of no view that is wanted.

    Args:
        paths: Of the files.
        names: By which results name them.
        findings: Names, in the network's order.
        any_view: As in `folder_samples`.
    """
    unknown = (NOT_SAID,) * len(findings)
    items = [Item(name, "", unknown) for name in names]
    unlabelled = samples(Datalist("files", tuple(findings), {"test": items}), "test", Path())
    reasons = [""] * len(paths) if any_view else unsuited_files(paths)
    return [
        sample | {"image": str(path.absolute())} | ({REFUSED: f"{reason}; {ANY_VIEW}"} if reason else {})
        for sample, path, reason in zip(unlabelled, paths, reasons, strict=True)
    ]
