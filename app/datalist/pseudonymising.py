"""Datalists without the names of a hospital: patients and studies by pseudonyms, files by links with pseudonyms."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.datalist.item import Datalist, Item
from app.datalist.people import normalised
from app.datalist.pseudonyms import Pseudonyms
from app.datalist.record_numbers import (
    is_named_in,
    looks_like_a_person,
    looks_like_a_record,
    path_looks_like_a_record,
)
from app.datalist.stored_images import stem
from app.datalist.validate import absolute_path
from app.files.atomic import write_whole
from app.files.folders import PSEUDONYMS_MARK, Listing, composed
from app.files.image_names import relative_image

KINDS = ("patients", "studies", "images")
"""What is replaced; masks go with images."""
SPLIT_FORMATS = (".mhd", ".nhdr")
"""Headers that name the file of their pixels, which must lie beside them."""
_LINK = re.compile(r"[im][0-9a-f]{16}(\.[a-z.]+)?")


def pseudonymised(
    datalist: Datalist, pseudonyms: Pseudonyms, out: Path, below: Mapping[str, str] | None, always: Collection[str] = ()
) -> Datalist:
    """A datalist whose patients, studies, images and masks go by pseudonyms, if their names look like records.

    All names of one kind are replaced if one of them looks so, and those of images if the path of one names a patient
    or study that is replaced. Images and masks keep their files: the datalist names links, in a folder beside it that
    only its owner can enter, and each link leads to its file.

    Args:
        datalist: Named as a datalist in the file ``out`` names its files.
        pseudonyms: Under one key.
        out: Where the datalist will be written.
        below: What the pseudonym of each image is made of: its path below the folder of images, which stays the same
            wherever that folder is. None if there are no files: then only the names of images are replaced.
        always: Those of ``KINDS`` that are replaced whatever they look like.

    Returns:
        A new datalist, whose provenance says what was replaced.

    Raises:
        ValueError: A file cannot be linked under another name, something else is in the folder of links, or the links
            or the key cannot be written.
    """
    items = datalist.items()
    looks_so = {
        "patients": any(looks_like_a_person(item.patient) for item in items),
        "studies": any(looks_like_a_record(item.study) for item in items),
        "images": any(map(path_looks_like_a_record, _files(items))),
    }
    replaced = {kind for kind in KINDS if kind in always or looks_so[kind]}
    if any(_is_in_its_path(item, (below or {}).get(item.image, item.image), replaced) for item in items):
        replaced.add("images")
    kinds = [kind for kind in KINDS if kind in replaced]
    if not kinds:
        return datalist
    links = _links(items, pseudonyms, out, below) if "images" in kinds else {}

    def renamed(item: Item) -> Item:
        return replace(
            item,
            image=links.get(item.image, item.image),
            patient=_pseudonym(pseudonyms, "patient", item.patient) if "patients" in kinds else item.patient,
            study=_pseudonym(pseudonyms, "study", item.study) if "studies" in kinds else item.study,
            mask={name: links.get(mask, mask) if isinstance(mask, str) else mask for name, mask in item.mask.items()},
        )

    result = datalist.mapped(renamed)
    result.provenance = {**result.provenance, "pseudonyms instead of names": kinds}
    return result


def known_pseudonyms(pseudonyms: Pseudonyms, listing: Listing) -> dict[Path, str]:
    """The pseudonyms of images, without suffix, in datalists that were made with a key; none if there is no key yet."""
    if not pseudonyms.path.exists():
        return {}
    below = {path: composed(path.relative_to(listing.folder).as_posix()) for path in listing.files}
    return {path: pseudonyms.of("image", name) for path, name in below.items()}


def _is_in_its_path(item: Item, path: str, replaced: Collection[str]) -> bool:
    """Whether an image's path names its patient or study, if these are replaced."""
    names = {"patients": item.patient, "studies": item.study}
    return any(is_named_in(names[kind], path) for kind in names.keys() & replaced)


def _pseudonym(pseudonyms: Pseudonyms, kind: str, name: str) -> str:
    is_one = re.fullmatch(rf"{kind[0]}[0-9a-f]{{16}}", name)
    return pseudonyms.of(kind, normalised(name)) if name and not is_one else name


def _files(items: Sequence[Item]) -> list[str]:
    """Images, then mask files, each once."""
    masks = (mask for item in items for mask in item.mask.values() if isinstance(mask, str))
    return list(dict.fromkeys((*(item.image for item in items), *masks)))


def _links(items: Sequence[Item], pseudonyms: Pseudonyms, out: Path, below: Mapping[str, str] | None) -> dict[str, str]:
    """New names of images and masks, by their old ones, after links of those names were made."""
    images = {item.image for item in items}
    base, folder = out.parent.resolve(), out.parent / f"{out.stem}_links"
    names: dict[str, str] = {}
    targets: dict[Path, Path] = {}
    for name in _files(items):
        path = absolute_path(base, name)
        suffix = path.name[len(stem(path.name)) :].lower()
        kind = "image" if name in images else "mask"
        pseudonym = pseudonyms.of(kind, composed((below or {}).get(name, name)))
        link = Path(f"{kind}s", f"{pseudonym}{suffix}")
        if below is None:
            names[name] = link.name
            continue
        if suffix in SPLIT_FORMATS:
            raise ValueError(
                f"{path}: its pixels are in another file, so it cannot be linked under a pseudonym. Convert it to MHA "
                "or to NRRD in one file, or keep all names with --keep-names."
            )
        names[name] = (folder.name / link).as_posix()
        targets[link] = path
    if targets:
        _write_links(folder, targets)
    return names


def _write_links(folder: Path, targets: Mapping[Path, Path]) -> None:
    """Make a folder hold links to the targets, and nothing else.

    Args:
        folder: Made if missing; its owner alone can enter it.
        targets: Files by the name of their link below the folder.
    """
    for each in (folder, folder / "images", folder / "masks"):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    inside = folder.resolve()
    within = next((path for path in targets.values() if path.parent.resolve().is_relative_to(inside)), None)
    old = list(folder.glob("*/*"))
    foreign = within or next((path for path in old if not (path.is_symlink() and _LINK.fullmatch(path.name))), None)
    if foreign is not None:
        raise ValueError(f"{foreign}: is in the folder of links that would be made. Choose another --out.")
    for path in old:
        path.unlink()
    write_whole(folder / PSEUDONYMS_MARK, "Links that frugal datalist folder made. Each leads to a file.\n")
    try:
        for link, target in targets.items():
            (folder / link).symlink_to(relative_image(target, folder / link))
    except OSError as error:
        raise ValueError(
            f"{folder}: links cannot be made here ({error.strerror}). Write --out to a disk that has links, or keep "
            "all names with --keep-names."
        ) from error
