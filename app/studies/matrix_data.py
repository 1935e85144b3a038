"""Datalists of a study's cells, made from one base: the training section alone changes, in a fixed order of steps."""

from __future__ import annotations

import fcntl
import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.data.choose import choose_findings
from app.data.datalist import fingerprint, read_datalist, split_fingerprint, write_datalist
from app.data.degrade import Part, at_level, by_labeller, mixture, share_of_patients
from app.data.item import Datalist, Item
from app.data.labeller import quality_at
from app.data.opened import made_phantoms
from app.data.split import folds, is_located, split, with_validation
from app.data.stored import moved
from app.data.validate import validate
from app.findings import ABSENT, PRESENT, UNCERTAIN
from app.studies.matrix import Folds, Matrix


class CellData:
    """Makes the datalists of a study, each once.

    Args:
        matrix: the study; it has a base.
        folder: for ``datalists/``.
        dataset_dir: where phantoms are kept; they are made when a datalist is first asked for.

    Raises:
        ValueError: the base cannot be read.
    """

    def __init__(self, matrix: Matrix, folder: Path, dataset_dir: Path) -> None:
        self.matrix = matrix
        self.folder = folder / "datalists"
        self.dataset_dir = dataset_dir
        self._opened: tuple[Path, Datalist] | None = None
        self.identity: dict[str, Any] = {key: matrix.base.get(key) for key in ("findings", "split")}
        if "phantoms" in matrix.base:
            # One set of arguments always gives the same bytes.
            self.identity["phantoms"] = matrix.base["phantoms"]
        else:
            base = self._base()[1]
            self.identity |= {"items": fingerprint(base), "sections": split_fingerprint(base)}

    def what(self, steps: Mapping[str, Any], replicate: int) -> dict[str, Any]:
        """All that the datalist of a cell's run follows from."""
        made: dict[str, Any] = {"base": self.identity, "steps": dict(steps), "seed": self._seed(replicate)}
        if self.matrix.folds is not None:
            made |= {"folds": vars(self.matrix.folds), "fold": replicate}
        return made

    def datalist(self, steps: Mapping[str, Any], replicate: int) -> Path:
        """The datalist of a cell's run, made now where it is not there.

        Raises:
            ValueError: a step that this data does not allow.
        """
        what = json.dumps(self.what(steps, replicate), sort_keys=True)
        path = self.folder / f"{hashlib.sha256(what.encode()).hexdigest()[:12]}.json"
        if not path.exists():
            origin, made = self._base()
            if self.matrix.folds is not None:
                made = _fold(made, self.matrix.folds, float(steps.get("extra_share", 0)), replicate)
            made = changed(made, steps, origin.parent, self._seed(replicate))
            made = moved(made, origin, path)
            validate(made, path.parent, files=False, where=str(path))
            write_datalist(made, path)
        return path

    def _base(self) -> tuple[Path, Datalist]:
        if self._opened is None:
            with _alone(self.folder.parent):
                self._opened = _base(self.matrix.base, self.dataset_dir)
        return self._opened

    def _seed(self, replicate: int) -> int:
        if self.matrix.folds is not None:
            return self.matrix.folds.seed
        return int(self.matrix.base.get("seed", replicate))


def changed(datalist: Datalist, steps: Mapping[str, Any], root: Path, seed: int) -> Datalist:
    """A datalist whose training section went through the steps, in the order of this function.

    Args:
        datalist: the base.
        steps: as a study's file names them: images or patients, uncertain, unannotated, then level or mix.
        root: folder that the datalist's paths are relative to.
        seed: of all draws.

    Raises:
        ValueError: a step that this data does not allow.
    """
    made = datalist
    if "images" in steps:
        made = first_images(made, steps["images"], seed)
    if "patients" in steps:
        made = share_of_patients(made, float(steps["patients"]), seed)
    if "uncertain" in steps:
        asked = steps["uncertain"]
        if not isinstance(asked, Mapping) or not {"share"} <= asked.keys() <= {"share", "present"}:
            raise ValueError(f"uncertain: must be {{share: S}} or {{share: S, present: P}}, not {asked!r}.")
        made = with_uncertain(made, asked["share"], asked.get("present"), seed)
    if "unannotated" in steps:
        made = without_locations(made, steps["unannotated"], seed)
    return _levelled(made, steps, root, seed)


def first_images(datalist: Datalist, count: int, seed: int) -> Datalist:
    """So many training images, patient by patient in random order; with one seed, fewer are part of more.

    The images of the last patient may be cut.

    Raises:
        ValueError: fewer than 1, or more than there are.
    """
    training = datalist.sections["training"]
    if type(count) is not int or not 1 <= count <= len(training):
        raise ValueError(f"images: {count!r} asked; {datalist.name} has 1 to {len(training)} in training.")
    kept = _in_random_order(training, seed)[:count]
    return _with_training(datalist, sorted(kept, key=lambda item: item.image), f"{count} training images", seed)


def without_locations(datalist: Datalist, share: float, seed: int) -> Datalist:
    """A share of the training images with an annotated location loses it and keeps its labels; nested by share.

    Raises:
        ValueError: a share outside [0, 1].
    """
    _require_share("unannotated", share)
    training = datalist.sections["training"]
    annotated = [item for item in _in_random_order(training, seed) if item.annotated or is_located(item)]
    losing = {item.image for item in annotated[: round(share * len(annotated))]}
    items = [replace(item, boxes=(), mask={}, annotated=()) if item.image in losing else item for item in training]
    return _with_training(datalist, items, f"{len(losing)} of {len(annotated)} images without their location", seed)


def with_uncertain(datalist: Datalist, share: float, present: float | None, seed: int) -> Datalist:
    """A share of each finding's known training labels becomes uncertain; the locations of such findings go.

    Args:
        datalist: labels other than 1 and 0 stay as they are.
        share: of the known labels, in [0, 1]; with one seed, those of a smaller share are among those of a larger one.
        present: share of them that was 1; None draws from all alike.
        seed: of the draw, finding by finding.

    Raises:
        ValueError: a share outside [0, 1], or more labels of a kind asked than there are.
    """
    _require_share("uncertain: share", share)
    if present is not None:
        _require_share("uncertain: present", present)
    order = sorted(datalist.sections["training"], key=lambda item: item.image)
    unsure: dict[str, set[str]] = {item.image: set() for item in order}
    for place, finding in enumerate(datalist.findings):
        by_label = {value: [i.image for i in order if i.label[place] == value] for value in (PRESENT, ABSENT)}
        for image in _drawn_uncertain(by_label, share, present, f"{seed} {finding} uncertain", finding):
            unsure[image].add(finding)
    items = [_unsure(item, datalist.findings, unsure[item.image]) for item in datalist.sections["training"]]
    told = "" if present is None else f", {present:g} of them present"
    return _with_training(datalist, items, f"{share:g} of the known labels uncertain{told}", seed)


def _drawn_uncertain(
    by_label: Mapping[int, list[str]], share: float, present: float | None, seed: str, finding: str
) -> list[str]:
    known = [image for images in by_label.values() for image in images]
    count = round(share * len(known))
    if present is None:
        return _shuffled(known, seed)[:count]
    positives = round(present * count)
    drawn = []
    for value, wanted in ((PRESENT, positives), (ABSENT, count - positives)):
        if wanted > len(by_label[value]):
            raise ValueError(
                f"uncertain: {wanted} labels {value} of {finding} asked, but there are {len(by_label[value])}."
            )
        drawn += _shuffled(by_label[value], f"{seed} {value}")[:wanted]
    return drawn


def _unsure(item: Item, findings: Sequence[str], unsure: set[str]) -> Item:
    if not unsure:
        return item
    return replace(
        item,
        label=tuple(UNCERTAIN if name in unsure else value for name, value in zip(findings, item.label, strict=True)),
        boxes=tuple(box for box in item.boxes if box.finding not in unsure),
        mask={name: mask for name, mask in item.mask.items() if name not in unsure},
        annotated=tuple(name for name in item.annotated if name not in unsure),
    )


def _levelled(datalist: Datalist, steps: Mapping[str, Any], root: Path, seed: int) -> Datalist:
    quality = {}
    if "f1" in steps:
        quality = {finding: quality_at(float(steps["f1"])) for finding in datalist.findings}
    if "mix" in steps:
        parts = [Part(str(level), None if count == "rest" else count) for level, count in steps["mix"].items()]
        return mixture(datalist, parts, root, seed, quality)
    if steps.get("level") == "nlp":
        return by_labeller(datalist, quality, seed)
    return at_level(datalist, str(steps["level"]), root) if "level" in steps else datalist


def _base(base: Mapping[str, Any], dataset_dir: Path) -> tuple[Path, Datalist]:
    path = made_phantoms(base["phantoms"], dataset_dir) if "phantoms" in base else Path(base["datalist"])
    datalist = read_datalist(path)
    if base.get("findings"):
        datalist = choose_findings(datalist, base["findings"])
    if base.get("split"):
        datalist = split(datalist, tuple(base["split"]["shares"]), int(base["split"].get("seed", 0)))
    return path, datalist


def _fold(datalist: Datalist, asked: Folds, extra_share: float, number: int) -> Datalist:
    made = folds(datalist, asked.count, asked.located_only, extra_share, asked.seed)[number]
    return with_validation(made, asked.validation, asked.seed)


def _with_training(datalist: Datalist, items: list[Item], words: str, seed: int) -> Datalist:
    """With another training section, and the step told where ``frugal degrade`` tells its own."""
    before = datalist.provenance.get("degraded", [])
    step = {"to": words, "sections": ["training"], "seed": seed}
    return replace(
        datalist,
        sections={**datalist.sections, "training": items},
        description=f"{datalist.description} Training: {words}.".strip(),
        provenance=datalist.provenance | {"degraded": [*(before if isinstance(before, list) else []), step]},
    )


def _in_random_order(items: Sequence[Item], seed: int) -> list[Item]:
    """Patient by patient, as ``app.data.degrade`` draws them."""
    patients = _shuffled({item.patient for item in items}, seed)
    rank = {patient: place for place, patient in enumerate(patients)}
    return sorted(items, key=lambda item: (rank[item.patient], item.image))


def _shuffled(names: Sequence[str] | set[str], seed: int | str) -> list[str]:
    ordered = sorted(names)
    random.Random(seed).shuffle(ordered)
    return ordered


def _require_share(what: str, share: float) -> None:
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"{what}: {share!r} must be a share from 0 to 1.")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of a study at a time makes its base; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "base.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
