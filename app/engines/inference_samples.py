"""The radiographs that are scored, as samples without labels: those of a folder or of a datalist."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ImageSamples:
    """Images that are scored, of which samples without labels are made portion by portion.

    Attributes:
        root: An absolute folder.
        names: Of the images, below the folder or beside it.
        findings: Names, in the network's order.
        any_view: Whether images are wanted whose DICOM headers say that they are no frontal radiographs of the chest
            for presentation; else they are samples with the reason as ``refused``. What headers do not say,
            `app.views.frontal_only` looks for in the pixels.
    """

    root: Path
    names: Sequence[str]
    findings: Sequence[str]
    any_view: bool = True

    def __len__(self) -> int:
        return len(self.names)

    def of(self, root: Path, names: Sequence[str]) -> list[dict[str, Any]]:
        """Samples of other images, for these findings and views."""
        paths = [Path(os.path.normpath(os.path.join(root, name))) for name in names]  # noqa: PTH118
        return file_samples(paths, [shown(name) for name in names], self.findings, self.any_view)

    def portions(self, size: int) -> Iterator[list[dict[str, Any]]]:
        """The samples, so many at a time."""
        for first in range(0, len(self.names), size):
            yield self.of(self.root, self.names[first : first + size])


def folder_samples(
    folder: str | Path, findings: Sequence[str], output_dir: str | Path | None = None, any_view: bool = True
) -> ImageSamples:
    """Every file of a folder, at any depth; see ``app.files.folders``.

    Args:
        folder: Of radiographs.
        findings: Names, in the network's order.
        output_dir: For results; left out if it lies in the folder.
        any_view: As in `ImageSamples`.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it.
    """
    return ImageSamples(*folder_names(folder, output_dir), findings, any_view)


def datalist_samples(folder: str | Path, name: str, findings: Sequence[str], any_view: bool = True) -> ImageSamples:
    """Every image of a datalist, named as the datalist names it.

    Args:
        folder: Of the datalist's file.
        name: Of the datalist's file.
        findings: Names, in the network's order.
        any_view: As in `ImageSamples`.

    Raises:
        DatalistError: The file is no datalist, or has no image.
    """
    return ImageSamples(*datalist_names(Path(folder) / name), findings, any_view)


def no_samples(findings: Sequence[str], any_view: bool = True) -> ImageSamples:
    """No image: those of one chunk after the other follow (``app.archive``), for these findings and views."""
    return ImageSamples(Path(), (), findings, any_view)


def file_samples(
    paths: Sequence[Path], names: Sequence[str], findings: Sequence[str], any_view: bool = True
) -> list[dict[str, Any]]:
    """Some files as samples without labels, refused if their headers say that they are of no view that is wanted.

    Args:
        paths: Of the files.
        names: By which results name them.
        findings: Names, in the network's order.
        any_view: As in `ImageSamples`.
    """
    unknown = (NOT_SAID,) * len(findings)
    items = [Item(name, "", unknown) for name in names]
    unlabelled = samples(Datalist("files", tuple(findings), {"test": items}), "test", Path())
    reasons = [""] * len(paths) if any_view else unsuited_files(paths)
    return [
        sample | {"image": str(path.absolute())} | ({REFUSED: f"{reason}; {ANY_VIEW}"} if reason else {})
        for sample, path, reason in zip(unlabelled, paths, reasons, strict=True)
    ]
