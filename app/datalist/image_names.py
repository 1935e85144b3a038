"""Names of the radiographs that are to be scored: the files of a folder, or the images of a datalist."""

from __future__ import annotations

import logging
from pathlib import Path

from app.datalist.file import read_datalist
from app.datalist.record_numbers import path_looks_like_a_record
from app.datalist.validate import DatalistError
from app.files.folders import list_files
from transforms.errors import shown

logger = logging.getLogger(__name__)


def folder_names(folder: str | Path, output_dir: str | Path | None = None) -> tuple[Path, list[str]]:
    """The files of a folder: the folder itself, absolute, and their names below it, sorted.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder of radiographs")
    listing = list_files(root, Path(output_dir) if output_dir is not None else None)
    left_out = listing.told()
    if left_out:
        logger.info(f"left out of {root}: {left_out}")
    if not listing.names:
        raise FileNotFoundError(f"{root}: no file in this folder{f' (left out: {left_out})' if left_out else ''}")
    named = sum(path_looks_like_a_record(shown(name)) for name in listing.names)
    if named:
        logger.info(
            f"{named} of {len(listing.names)} names look like record numbers and will stand in predictions.csv "
            "and in the names of overlays; frugal datalist folder --images makes links with pseudonyms, a folder that "
            "can be scored instead"
        )
    return listing.folder.absolute(), list(listing.names)


def datalist_names(path: Path) -> tuple[Path, list[str]]:
    """The images of a datalist: its folder, absolute, and their names as the datalist has them.

    Raises:
        DatalistError: The file is no datalist, or has no image.
    """
    names = [item.image for item in read_datalist(path).items()]
    if not names:
        raise DatalistError(f"{path}: no image in this datalist.")
    return path.parent.resolve(), names
