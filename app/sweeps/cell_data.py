"""Datalists of a sweep's cells: all start from one base, and only the training section is changed."""

from __future__ import annotations

import copy
import fcntl
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.annotations.labeller import quality_at
from app.annotations.levels import LevelCount, at_level, by_labeller, mixture
from app.annotations.reduction import first_images, share_of_patients, with_uncertain, without_locations
from app.datalist.choosing import choose_findings
from app.datalist.file import moved, read_datalist, write_datalist
from app.datalist.fingerprint import fingerprint, split_fingerprint
from app.datalist.item import SECTIONS, Datalist
from app.datalist.splitting import folds, split, with_validation
from app.datalist.validate import validate
from app.phantoms.opened import made_phantoms
from app.sweeps.sweep import Cell, Sweep

PHANTOM_SHARES = (0.7, 0.1, 0.2)
"""Of training, validation and test, if ``app.phantoms.write_phantoms`` is told nothing else."""


class CellData:
    """Makes the datalists of a sweep's cells, each once.

    Args:
        sweep: The sweep.
        folder: Of the sweep; datalists are written to ``datalists/`` in it.
        dataset_dir: Where phantoms are kept. They are made when the first datalist is.

    """

    def __init__(self, sweep: Sweep, folder: Path, dataset_dir: Path) -> None:
        self.sweep = sweep
        self.folder = folder
        self.dataset_dir = dataset_dir
        self._opened: dict[str, tuple[Path, Datalist]] = {}
        self._identities: dict[str, dict[str, Any]] = {}

    def read_bases(self) -> None:
        """Make or read what the datalists start from, once, before several processes need it."""
        for base in {_key(base): base for base in map(self.sweep.base_of, self.sweep.cells) if base}.values():
            self._base(base)

    def of(self, sweep: Sweep) -> CellData:
        """The same for a part of the sweep, without what was read, which each process reads for itself."""
        part = copy.copy(self)
        part.sweep, part._opened = sweep, {}
        return part

    def settings(self, cell: Cell, replicate: int) -> dict[str, Any]:
        """Everything that determines the datalist of a run.

        Raises:
            ValueError: The base cannot be read.
        """
        base = self.sweep.base_of(cell)
        settings: dict[str, Any] = {
            "base": self._identity(base),
            "steps": dict(cell.data),
            "seed": self._seed(base, replicate),
        }
        if self.sweep.folds is not None:
            settings |= {"folds": vars(self.sweep.folds), "fold": replicate}
        return settings

    def path(self, cell: Cell, replicate: int) -> Path:
        """Where the datalist of a run is, once it is made."""
        settings = json.dumps(self.settings(cell, replicate), sort_keys=True)
        return self.folder / "datalists" / f"{hashlib.sha256(settings.encode()).hexdigest()[:12]}.json"

    def datalist(self, cell: Cell, replicate: int) -> Path:
        """The datalist of a run, made now unless it exists.

        Raises:
            ValueError: The data does not allow a step.
        """
        path = self.path(cell, replicate)
        if not path.exists():
            base = self.sweep.base_of(cell)
            base_path, datalist = self._base(base)
            asked = self.sweep.folds
            if asked is not None:
                extra_share = float(cell.data.get("extra_share", 0))
                fold = folds(datalist, asked.count, asked.located_only, extra_share, asked.seed)[replicate]
                datalist = with_validation(fold, asked.validation, asked.seed)
            datalist = changed(datalist, cell.data, base_path.parent, self._seed(base, replicate))
            datalist = moved(datalist, base_path, path)
            validate(datalist, path.parent, files=False, where=str(path))
            write_datalist(datalist, path)
        return path

    def base_sizes(self, cell: Cell) -> dict[str, int]:
        """About how many images each section has before a cell's steps; nothing is made for it.

        Raises:
            ValueError: The base cannot be read.
        """
        base = self.sweep.base_of(cell)
        if "phantoms" in base:
            shares = (base.get("split") or {}).get("shares") or base["phantoms"].get("split", PHANTOM_SHARES)
            count = int(base["phantoms"]["count"])
            return {name: round(count * share) for name, share in zip(SECTIONS, shares, strict=True)}
        return {name: len(items) for name, items in self._base(base)[1].sections.items()}

    def _base(self, base: Mapping[str, Any]) -> tuple[Path, Datalist]:
        key = _key(base)
        if key not in self._opened:
            self.folder.mkdir(parents=True, exist_ok=True)
            # One process makes the phantoms, the others wait for it.
            with open(self.folder / "base.lock", "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._opened[key] = _opened(base, self.dataset_dir)
        return self._opened[key]

    def _identity(self, base: Mapping[str, Any]) -> dict[str, Any]:
        key = _key(base)
        if key not in self._identities:
            identity: dict[str, Any] = {name: base.get(name) for name in ("findings", "split")}
            if "phantoms" in base:
                identity["phantoms"] = base["phantoms"]  # the same arguments always make the same bytes
            else:
                datalist = self._base(base)[1]
                identity |= {"items": fingerprint(datalist), "sections": split_fingerprint(datalist)}
            self._identities[key] = identity
        return self._identities[key]

    def _seed(self, base: Mapping[str, Any], replicate: int) -> int:
        if self.sweep.folds is not None:
            return self.sweep.folds.seed
        return int(base.get("seed", replicate))


def _key(base: Mapping[str, Any]) -> str:
    return json.dumps(base, sort_keys=True)


def changed(datalist: Datalist, steps: Mapping[str, Any], root: Path, seed: int) -> Datalist:
    """A datalist with its training section changed by the steps, in the order of this function.

    Args:
        datalist: The base.
        steps: As a study file names them.
        root: Folder that the datalist's paths are relative to.
        seed: Seed of all draws.

    Raises:
        ValueError: The data does not allow a step.
    """
    if "images" in steps:
        datalist = first_images(datalist, steps["images"], seed)
    if "patients" in steps:
        datalist = share_of_patients(datalist, float(steps["patients"]), seed)
    if "uncertain" in steps:
        asked = steps["uncertain"]
        if not isinstance(asked, Mapping) or not {"share"} <= asked.keys() <= {"share", "present"}:
            raise ValueError(f"uncertain: must be {{share: S}} or {{share: S, present: P}}, not {asked!r}.")
        datalist = with_uncertain(datalist, asked["share"], asked.get("present"), seed)
    if "unannotated" in steps:
        datalist = without_locations(datalist, steps["unannotated"], seed)
    quality = {finding: quality_at(float(steps["f1"])) for finding in datalist.findings} if "f1" in steps else {}
    if "mix" in steps:
        parts = [LevelCount(str(level), None if count == "rest" else count) for level, count in steps["mix"].items()]
        return mixture(datalist, parts, root, seed, quality)
    if steps.get("level") == "nlp":
        return by_labeller(datalist, quality, seed)
    return at_level(datalist, str(steps["level"]), root) if "level" in steps else datalist


def _opened(base: Mapping[str, Any], dataset_dir: Path) -> tuple[Path, Datalist]:
    path = made_phantoms(base["phantoms"], dataset_dir) if "phantoms" in base else Path(base["datalist"])
    datalist = read_datalist(path)
    if base.get("findings"):
        datalist = choose_findings(datalist, base["findings"])
    if base.get("split"):
        datalist = split(datalist, tuple(base["split"]["shares"]), int(base["split"].get("seed", 0)))
    return path, datalist
