"""What the runs were trained and measured on, none of which may be chosen again."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from app.datalist.file import read_datalist
from app.datalist.fingerprint import split_fingerprint
from app.datalist.item import Datalist, Item
from app.datalist.people import caseless
from app.files.own_json import read_record
from app.findings import NOT_SAID
from app.phantoms.opened import made_phantoms
from app.selection.selection import CHOSEN_BY
from app.workflows.weights import Weights

_KEY = "fingerprint of the pseudonyms' key"
_REMEDY = "Name the datalist that it was trained with: --used FILE."


@dataclass(frozen=True)
class Used:
    """A datalist that a run was trained and measured on.

    Attributes:
        datalist: The datalist.
        path: Its file.
    """

    datalist: Datalist
    path: Path

    @cached_property
    def folder(self) -> Path:
        """The folder that its images' names are relative to, resolved once for all of them."""
        return self.path.parent.resolve()


def read_used(path: Path) -> Used:
    """Read a datalist that was used."""
    return Used(read_datalist(path), path)


def used_by(weights: Weights) -> Used:
    """The datalist that some weights were trained with, as the settings beside them say.

    Raises:
        ValueError: Nothing says which it is, it is missing, or its split has changed since.
    """
    given, phantoms = weights.places.get("datalist"), weights.places.get("phantoms")
    if isinstance(given, str):
        path = Path(given)
    elif isinstance(phantoms, Mapping):
        path = made_phantoms(phantoms, Path(str(weights.places.get("dataset_dir", "data"))))
    else:
        raise ValueError(f"nothing beside {weights.path} tells which data it was trained on. {_REMEDY}")
    if not path.is_file():
        raise ValueError(f"{path}: not there, but {weights.path} was trained with it. {_REMEDY}")
    used = read_used(path)
    record = weights.path.with_name("data.json")
    then = read_record(record, "a record of a run's data", _REMEDY).get("split_fingerprint") if record.is_file() else ""
    if then and then != split_fingerprint(used.datalist):
        raise ValueError(f"{path}: its split has changed since {weights.path} was trained. {_REMEDY}")
    return used


def file_of(item: Item, used: Used) -> str:
    """The file of an image, wherever links lead."""
    return os.path.realpath(_path(item, used))


def unused(pool: Used, others: Sequence[Used]) -> tuple[list[Item], dict[str, int]]:
    """The images of a pool that may be chosen.

    Left out are the patients and the images of validation and test sections, the images of training sections of which
    anything is known or that an earlier selection chose, and the images of the pool that are located already. An image
    is known by its file (whatever links lead to it) and by its content. Patients are compared without regard to
    capitals.

    Returns:
        The items, and the number of those left out by reason.

    Raises:
        ValueError: Patients cannot be compared, since their pseudonyms were made with two keys; or nothing is left.
    """
    for other in others:
        keys = [each.datalist.provenance.get(_KEY) for each in (pool, other)]
        if all(keys) and keys[0] != keys[1]:
            raise ValueError(
                f"{pool.path} and {other.path}: their pseudonyms were made with different keys, so nobody can tell "
                "whether they have patients in common. Make both with one key (--pseudonymise KEYFILE)."
            )
    kept_out = [(item, other) for other in others for s in ("validation", "test") for item in _section(other, s)]
    trained = [(item, other) for other in others for item in _section(other, "training") if _is_annotated(item)]
    patients = {caseless(item.patient) for item, _ in kept_out}
    measured, annotated = (_Files(_path(item, used) for item, used in part) for part in (kept_out, trained))
    items, counts = [], dict.fromkeys(_REASONS, 0)
    for item in pool.datalist.items():
        path = _path(item, pool)
        if caseless(item.patient) in patients:
            counts[_REASONS[0]] += 1
        elif path in measured:
            counts[_REASONS[1]] += 1
        elif path in annotated:
            counts[_REASONS[2]] += 1
        elif item.is_located or item.annotated:
            counts[_REASONS[3]] += 1
        else:
            items.append(item)
    if not items:
        told = ", ".join(f"{reason}: {count}" for reason, count in counts.items() if count)
        raise ValueError(f"{pool.path}: nothing is left to choose from ({told or 'it has no image'}).")
    return items, {reason: count for reason, count in counts.items() if count}


def trained_labels(findings: Sequence[str], others: Sequence[Used]) -> dict[str, tuple[int, int]]:
    """How many training images have a finding and how many have not, each image once."""
    counts: dict[str, tuple[int, int]] = {}
    training = [(other, [(_path(item, other), item) for item in _section(other, "training")]) for other in others]
    for finding in findings:
        values: dict[str, float] = {}
        for other, items in training:
            if finding in other.datalist.findings:
                column = other.datalist.findings.index(finding)
                values |= {path: item.label[column] for path, item in items}
        counts[finding] = (
            sum(value > 0.5 for value in values.values()),
            sum(0 <= value < 0.5 for value in values.values()),
        )
    return counts


_REASONS = (
    "left out: images of patients in a validation or test section",
    "left out: images in a validation or test section under another patient",
    "left out: images annotated in a training section",
    "left out: images of the pool whose findings are located already",
)


class _Files:
    """Files, known by their place on the disk or by their content."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths: set[str] = set()
        self._places: set[tuple[int, int]] = set()
        self._by_size: dict[int, list[str]] = defaultdict(list)
        self._by_digest: dict[int, frozenset[str]] = {}
        for path in paths:
            self._paths.add(path)
            if state := _state(path):
                self._places.add((state.st_dev, state.st_ino))
                self._by_size[state.st_size].append(path)

    def __contains__(self, path: str) -> bool:
        state = _state(path)
        if path in self._paths or (state and (state.st_dev, state.st_ino) in self._places):
            return True
        if state is None or state.st_size not in self._by_size:
            return False
        return _digest(path) in self._digests(state.st_size)

    def _digests(self, size: int) -> frozenset[str]:
        if size not in self._by_digest:
            self._by_digest[size] = frozenset(map(_digest, self._by_size.get(size, ())))
        return self._by_digest[size]


@cache
def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - three times faster
    except OSError:
        return None


def _path(item: Item, used: Used) -> str:
    return os.path.normpath(os.path.join(used.folder, item.image))  # noqa: PTH118 - likewise


def _section(used: Used, name: str) -> list[Item]:
    return used.datalist.sections.get(name, [])


def _is_annotated(item: Item) -> bool:
    """Whether anything is known, or will be: chosen images are being read."""
    return (
        CHOSEN_BY in item.attributes
        or item.is_located
        or bool(item.annotated)
        or any(value != NOT_SAID for value in item.label)
    )
