"""The images of studies: in folders of the studies' names, or by the headers of DICOM files; and images by instance."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Set
from pathlib import PurePosixPath

from app.datalist.stored_images import bare_name
from app.files.folders import Listing, composed

_UID = re.compile(r"[0-2](\.\d+)+")


def images_of_studies(images: Listing, studies: Set[str]) -> dict[str, list[str]]:
    """Image files, by path below the folder, of each of the studies that has any.

    A study's name is that of a folder that its images are in, at any depth. If no folder has the name of a study, it is
    looked for in DICOM headers, as accession number or study instance UID; a StudyID may be the same in many patients.
    """
    paths = [file.relative_to(images.folder).as_posix() for file in images.files]
    by_study: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for folder in dict.fromkeys(map(composed, PurePosixPath(path).parts[:-1])):
            if folder in studies:
                by_study[folder].append(path)
    if by_study:
        return dict(by_study)
    from transforms.dicom_header import header_identifiers

    for path, identifiers in zip(paths, header_identifiers(images.files), strict=True):
        for name in {identifiers.accession, identifiers.study} & studies - {""}:
            by_study[name].append(path)
    return dict(by_study)


def images_of_instances(images: Listing, names: Collection[str]) -> dict[str, str]:
    """Image files, by path below the folder, of SOP instance UIDs; empty if names are others, or names of files."""
    if not names or not all(map(_UID.fullmatch, names)) or {bare_name(file.name) for file in images.files} & {*names}:
        return {}
    from transforms.dicom_reference import by_instance

    files = by_instance(images.files)
    return {name: files[name].relative_to(images.folder).as_posix() for name in names if name in files}
