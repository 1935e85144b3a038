"""Which format an annotation file has, by its content, and the reading of a file or a folder in its format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from app.annotation_formats.arguments import FORMATS
from app.annotation_formats.coco import looks_like_coco, read_coco
from app.annotation_formats.cvat import read_cvat
from app.annotation_formats.dicom_seg import CLASSES, read_dicom_seg
from app.annotation_formats.dicom_sr import REPORTS, read_dicom_sr
from app.annotation_formats.documents import read_json, read_text, read_xml
from app.annotation_formats.label_maps import itk_snap_names, looks_like_itk_snap, looks_like_value_names, value_names
from app.annotation_formats.label_studio import read_label_studio
from app.annotation_formats.label_studio_tasks import looks_like_label_studio
from app.annotation_formats.labelme import looks_like_labelme, read_labelme
from app.annotation_formats.marks import AnnotationError, AnnotationFile
from app.annotation_formats.mask_files import read_masks
from app.annotation_formats.pascal_voc import read_pascal_voc
from app.annotation_formats.yolo import NAME_FILES, looks_like_yolo, read_yolo
from app.files.folders import list_files
from app.files.images import is_image
from transforms.dicom_signature import is_dicom

_NAMES, _EMPTY, _OTHER = "names of values", "empty", "other"
_TOGETHER = {"masks", "dicom-seg", "dicom-sr"}
"""Formats that one folder may hold side by side."""


class Source(NamedTuple):
    """The annotation files of one path that the user named.

    Attributes:
        path: The file or folder; a folder as its files name it.
        files: By format.
        left_out: Number of files of a folder that are none.
    """

    path: Path
    files: Mapping[str, Sequence[Path]]
    left_out: int


def find_annotations(path: Path, images: Collection[Path], wanted: str) -> Source:
    """The annotation files at a path.

    Args:
        path: A file, or a folder of files.
        images: The radiographs' resolved paths; they are no masks.
        wanted: One of ``FORMATS``, or empty for any.

    Raises:
        AnnotationError: There is no such file, no annotation in it, or a folder holds annotations of several formats.
    """
    if not (path.is_file() or path.is_dir()):
        raise AnnotationError(f"{path}: no such file or folder of annotations.")
    files = [path]
    if path.is_dir():
        listing = list_files(path)
        path, files = listing.folder, list(listing.files)
    by_format: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if file.resolve() not in images:
            by_format[kind_of(file)].append(file)
    if any(file.name in NAME_FILES for file in files) or "yolo" in by_format:
        empty = [file for file in by_format[_EMPTY] if file.suffix == ".txt" and file.name not in NAME_FILES]
        by_format["yolo"] = sorted([*by_format["yolo"], *empty])
    kinds = {kind for kind in FORMATS if by_format.get(kind)} & ({wanted} if wanted else set(FORMATS))
    if len(kinds) > 1 and not kinds <= _TOGETHER:
        counts = ", ".join(f"{kind} ({len(by_format[kind])} files)" for kind in sorted(kinds))
        raise AnnotationError(f"{path}: holds annotations of several formats: {counts}. Choose one by --format.")
    chosen = {kind: tuple(by_format[kind]) for kind in (*sorted(kinds), _NAMES) if by_format.get(kind)}
    if not chosen:
        such = f" ({len(files)} other files, such as {files[0].name!r})" if path.is_dir() and files else ""
        raise AnnotationError(
            f"{path}: holds no annotations{f' of the format {wanted}' if wanted else ''}{such}. Formats: "
            f"{', '.join(FORMATS)}."
        )
    known = {file for group in chosen.values() for file in group}
    others = [
        file for group in by_format.values() for file in group if file not in known and file.name not in NAME_FILES
    ]
    return Source(path, chosen, len(others))


def kind_of(file: Path) -> str:
    """One of ``FORMATS``; or names of values, an empty file, or another kind of file.

    Raises:
        AnnotationError: It is JSON or XML but damaged, or an archive.
    """
    with file.open("rb") as opened:
        head = opened.read(512)
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    if not start:
        return _EMPTY
    if head.startswith(b"PK\x03\x04"):
        raise AnnotationError(f"{file}: is a ZIP archive; unpack it, and name the file or folder in it.")
    if start.startswith((b"{", b"[")):
        return _kind_of_json(file)
    if start.startswith(b"<"):
        return {"annotations": "cvat", "annotation": "voc"}.get(read_xml(file).tag, _OTHER)
    if is_dicom(file):
        return _DICOM.get(_storage_class(file), _OTHER)
    if is_image(file):
        return "masks"
    if file.suffix.lower() not in (".txt", ".label", ".lbl", ".labels"):
        return _OTHER
    try:
        text = read_text(file)
    except AnnotationError:  # text that is not UTF-8 has none of the formats
        return _OTHER
    if looks_like_itk_snap(text):
        return _NAMES
    return "yolo" if looks_like_yolo(text) and file.name not in NAME_FILES else _OTHER


def names_in(source: Source) -> dict[int, str]:
    """Names of the values of label maps that a source's files give.

    Raises:
        AnnotationError: Two files name one value differently.
    """
    names: dict[int, str] = {}
    for file in source.files.get(_NAMES, ()):
        given = value_names(file) if _kind_of_json_names(file) else itk_snap_names(file)
        for value, name in given.items():
            if names.setdefault(value, name) != name:
                raise AnnotationError(f"{file}: calls value {value} {name!r}, but another file {names[value]!r}.")
    return names


def read_annotations(
    source: Source, named: Mapping[int, str], is_finding: Callable[[str], bool]
) -> list[AnnotationFile]:
    """Read the files of a source, each format by its reader.

    Args:
        source: Of `find_annotations`.
        named: Names of the values of label maps.
        is_finding: Whether a name is that of a finding.

    Raises:
        AnnotationError: Something in a file is wrong.
        RadiographError: A mask file cannot be read.
    """
    folder = source.path if source.path.is_dir() else source.path.parent
    results: list[AnnotationFile] = []
    for kind, files in source.files.items():
        if kind in _ONE_FILE:
            results += [_ONE_FILE[kind](file) for file in files]
        elif kind == "labelme":
            results.append(read_labelme(folder, files))
        elif kind == "voc":
            results.append(read_pascal_voc(folder, files))
        elif kind == "yolo":
            results.append(read_yolo(folder, files, _names_file(folder)))
        elif kind == "masks":
            results.append(read_masks(folder, files, named, is_finding))
        elif kind == "dicom-seg":
            results.append(read_dicom_seg(folder, files, is_finding))
        elif kind == "dicom-sr":
            results.append(read_dicom_sr(folder, files, is_finding))
    if results and source.left_out:
        results[0].counts["left out: files in the folder that are no such annotations"] = source.left_out
    return results


_ONE_FILE: Mapping[str, Callable[[Path], AnnotationFile]] = {
    "coco": read_coco,
    "cvat": read_cvat,
    "label-studio": read_label_studio,
}
"""Formats of which each file is whole by itself."""


def _kind_of_json(file: Path) -> str:
    content = read_json(file)
    looks: Mapping[str, Callable[[object], bool]] = {
        "coco": looks_like_coco,
        "label-studio": looks_like_label_studio,
        "labelme": looks_like_labelme,
        _NAMES: looks_like_value_names,
    }
    return next((kind for kind, looks_like in looks.items() if looks_like(content)), _OTHER)


def _kind_of_json_names(file: Path) -> bool:
    return file.read_bytes().lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


_DICOM = dict.fromkeys(CLASSES, "dicom-seg") | dict.fromkeys(REPORTS, "dicom-sr")


def _storage_class(file: Path) -> str:
    import pydicom

    try:
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(dataset.get("SOPClassUID", ""))
    except Exception:  # pydicom raises many kinds
        return ""


def _names_file(folder: Path) -> Path | None:
    """The file that names YOLO's categories, in the folder, below it, or beside it."""
    files = [*list_files(folder).files, *(folder.parent / name for name in NAME_FILES)]
    order = {name: index for index, name in enumerate(NAME_FILES)}
    known = [file for file in files if file.name in order and file.is_file()]
    return min(known, key=lambda file: (order[file.name], len(file.parts)), default=None)
