"""Datalists of a study's cells, made from one base: the training section alone changes, in a fixed order of steps."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.annotations.labeller import quality_at
from app.annotations.levels import LevelCount, at_level, by_labeller, mixture
from app.annotations.reduction import first_images, share_of_patients, with_uncertain, without_locations
from app.annotations.subset import choose_findings
from app.datalist.file import moved, read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint, split_fingerprint
from app.datalist.item import Datalist
from app.datalist.splitting import folds, split, with_validation
from app.datalist.validate import validate
from app.phantoms.opened import made_phantoms
from app.sweeps.plan import Folds, Matrix


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


def _levelled(datalist: Datalist, steps: Mapping[str, Any], root: Path, seed: int) -> Datalist:
    quality = {}
    if "f1" in steps:
        quality = {finding: quality_at(float(steps["f1"])) for finding in datalist.findings}
    if "mix" in steps:
        parts = [LevelCount(str(level), None if count == "rest" else count) for level, count in steps["mix"].items()]
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of a study at a time makes its base; the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "base.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
