"""Radiographs that were prepared once and are read back as small integers."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from app.prepared.contained import own_error
from app.prepared.drawn import NOTHING, put_planes, unpack_boxes, unpack_planes
from app.prepared.entries import DamagedError, Entries
from app.prepared.folders import Use
from app.prepared.identity import digest
from app.prepared.plan import Preparation
from app.prepared.preparing import PreparationError, default_workers
from app.prepared.recipe import Recipe, Sample, Transform
from app.prepared.store import Entry, Index, ShardWriter, records_of

NAMED = 5
"""How many bad files an error names."""

logger = logging.getLogger(__name__)


class PreparedDataset(Dataset[dict[str, Any]]):
    """Samples whose deterministic transforms ran once, and whose results are kept in a folder.

    An image is kept under the transforms with their source, parameters and weight files, and under the sample's files;
    what is drawn on it under the annotations as well (see `Recipe`). Where any of these changes it is made again.
    Labels are taken from the samples each time. Several processes may use one folder at once and share the work; one
    that was killed is continued.

    Args:
        samples: as the datalist gives them: ``image`` is a path, ``label`` and ``annotated`` have one value a finding.
        transform: deterministic; makes of a sample's dictionary one whose ``image`` is (1, H, W) in [0, 1], of one
            size over all samples, and whose ``mask`` is (C, H, W). It is shown nothing of `BOOKKEEPING`.
        folder: where results are kept; one for any number of data sets and transforms.
        workers: processes to prepare with; None for one a core, 0 for this one alone (which a transform on a GPU
            needs).
        progress: whether to show a progress bar with an estimate.
        on_error: what to do about files that cannot be prepared: "stop" before anything else is done, or "exclude"
            them, which is logged. A sampler then needs `labels`, and not those of the datalist.
        content: whether files are known by their content, not by absolute path, size and time of change; slower to
            start, but data may be moved.

    Attributes:
        samples: those that were prepared, in the order given.
        excluded: (name, error) of each that could not be.
        shape: (H, W).
        rebuilt: names of those that were found damaged by this process and made again.

    Raises:
        PreparationError: after all were tried, naming the first that failed; also where sizes differ.
        UnidentifiableError: where it cannot be told what a transform does.
        OSError: where the disk is full or the folder cannot be written to.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        transform: Transform,
        folder: str | Path,
        workers: int | None = None,
        progress: bool = True,
        on_error: str = "stop",
        content: bool = False,
    ) -> None:
        if on_error not in ("stop", "exclude"):
            raise ValueError(f"on_error is {on_error!r}, but must be 'stop' or 'exclude'")
        self.recipe = Recipe(transform, content)
        self.folder = Path(folder).absolute() / digest(self.recipe.description)
        self.rebuilt: list[str] = []
        self._writer: tuple[int, ShardWriter] | None = None
        self._use: Use | None = Use(self.folder)
        index = Index(self.folder)
        index.refresh()
        preparation = Preparation(samples, self.recipe, index)
        preparation.run(default_workers() if workers is None else workers, progress)
        failed = preparation.failed
        self.excluded = [(_name(samples[at]), failed[at]) for at in sorted(failed)]
        if self.excluded:
            report = _report(self.excluded, len(samples))
            if on_error == "stop":
                raise PreparationError(f"{report}\non_error: exclude goes on without them")
            logger.warning("%s\nThey are left out.", report)
        kept = [at for at in range(len(samples)) if at not in failed]
        self.samples = [samples[at] for at in kept]
        self._image_keys = [preparation.image_keys[at] for at in kept]
        self._drawn_keys = [preparation.drawn_keys.get(at) for at in kept]
        self._fill(index)

    def _fill(self, index: Index) -> None:
        found = [index.found[key] for key in self._image_keys]
        records = records_of(found)
        self.shape = _one_shape(records)
        self._images = Entries(index.stems, np.array([shard for shard, _ in found], dtype=np.int64), records)
        drawn = [None if key is None else index.found[key] for key in self._drawn_keys]
        present = [entry for entry in drawn if entry is not None and entry[1]["length"] > NOTHING]
        shards = np.array([shard for shard, _ in present], dtype=np.int64)
        self._drawn = Entries(index.stems, shards, records_of(present))
        # Where a sample's masks are among all that was drawn; -1 where there are none.
        count = itertools.count()
        self._drawn_at = [-1 if one is None or one[1]["length"] <= NOTHING else next(count) for one in drawn]
        self._label = torch.from_numpy(_stacked(self.samples, "label", np.float32))
        self._annotated = torch.from_numpy(_stacked(self.samples, "annotated", np.bool_))
        self._region = torch.from_numpy(records["region"].astype(np.float32))
        self._original_size = torch.from_numpy(records["original_size"].astype(np.int64))
        self._lungs_found = torch.from_numpy(records["lungs_found"] != 0)

    @property
    def labels(self) -> np.ndarray:
        """(N, C) float32, as they are read: what a sampler balances."""
        return self._label.numpy()

    @property
    def lungs_not_found(self) -> list[str]:
        """Names of the samples that were kept whole for want of lungs."""
        return [_name(self.samples[at]) for at in np.flatnonzero(~self._lungs_found.numpy())]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read one sample.

        Returns:
            ``image`` (1, H, W) uint8, ``mask`` (C, H, W) uint8, ``label`` (C,) float32,
            ``annotated`` (C,) bool, ``region`` (4,) float32, ``original_size`` (2,) int64, ``lungs_found`` bool,
            ``index`` int.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Read several samples, as a ``DataLoader`` asks for a batch of them."""
        batch = self.read_batch(indices)
        plain = {key: batch.pop(key).tolist() for key in ("lungs_found", "index")}
        columns: dict[str, Any] = {**batch, **plain}
        return [{key: value[place] for key, value in columns.items()} for place in range(len(indices))]

    def read_batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Read several samples: those of `__getitem__`, with a leading dimension B."""
        batch = self.read_planes(indices)
        planes, plane_at = batch.pop("planes"), batch.pop("plane_at")
        mask = _room((len(indices), self._label.shape[1], *self.shape), zeros=True)
        return {**batch, "mask": put_planes(mask, planes, plane_at)}

    def read_planes(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Read several samples, with masks as few bytes, which `spread_planes` makes masks of on any device.

        Returns:
            Those of `read_batch`, with ``planes`` (K, bytes) uint8 and ``plane_at`` (K, 2) int64 in the place of
            ``mask``.
        """
        places = [range(len(self))[at] for at in indices]
        chosen = torch.tensor(places, dtype=torch.int64)
        image = self._images_of(places)
        planes, plane_at = self._planes_of(places)
        return {
            "image": image,
            "planes": planes,
            "plane_at": plane_at,
            "label": self._label[chosen],
            "annotated": self._annotated[chosen],
            "region": self._region[chosen],
            "original_size": self._original_size[chosen],
            "lungs_found": self._lungs_found[chosen],
            "index": chosen,
        }

    def boxes(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of a sample: (N, 4) float32 in pixels of its image, and (N,) int64 their findings.

        A box is x, y, width, height, clipped to the image.
        """
        drawn = self._drawn_of(range(len(self))[index])
        return (np.zeros((0, 4), np.float32), np.zeros(0, np.int64)) if drawn is None else unpack_boxes(drawn)

    def verify(self) -> list[str]:
        """Read all that is kept, make again what is damaged, and name it."""
        before = len(self.rebuilt)
        for at in range(len(self)):
            self._images_of([at])
            self._drawn_of(at)
        return self.rebuilt[before:]

    def _images_of(self, places: Sequence[int]) -> Tensor:
        size = self.shape[0] * self.shape[1]
        room = _room((len(places) * size,))
        written = memoryview(room.numpy())  # type: ignore[arg-type]  # arrays are buffers; cheaper than slices of tensors
        self._images.look(places)
        for place, at in enumerate(places):
            one = written[place * size : (place + 1) * size]
            try:
                self._images.read_into(at, one)
            except DamagedError as error:
                one[:] = self._again(at, self._images, at, error)
        return room.view(len(places), 1, *self.shape)

    def _planes_of(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        planes, plane_at = [], []
        self._drawn.look(self._drawn_at[at] for at in places if self._drawn_at[at] >= 0)
        for place, at in enumerate(places):
            drawn = self._drawn_of(at)
            if drawn is not None:
                packed, findings = unpack_planes(drawn)
                planes += list(packed)
                plane_at += [(place, finding) for finding in findings.tolist()]
        if not planes:
            return torch.zeros((0, 0), dtype=torch.uint8), torch.zeros((0, 2), dtype=torch.int64)
        return torch.from_numpy(np.stack(planes)), torch.tensor(plane_at, dtype=torch.int64)

    def _drawn_of(self, at: int) -> np.ndarray | None:
        entry = self._drawn_at[at]
        if entry < 0:
            return None
        try:
            return np.frombuffer(self._drawn.read(entry), np.uint8)
        except DamagedError as error:
            return np.frombuffer(self._again(at, self._drawn, entry, error), np.uint8)

    def _again(self, at: int, entries: Entries, entry: int, damage: DamagedError) -> memoryview:
        """Make a damaged entry again, unless another process has, and read it from where it is then."""
        key = self._image_keys[at] if entries is self._images else self._drawn_keys[at]
        index = Index(self.folder)
        index.refresh()
        if not _moved(entries, entry, index, key):
            logger.warning("%s: %s; it is made again", _name(self.samples[at]), damage)
            try:
                self._keep(self._made(at, entries is self._images, index))
            except Exception as error:
                told = own_error(error)
                message = f"{damage}, and it cannot be made again ({type(told).__name__}: {told})"
                raise PreparationError(f"{_name(self.samples[at])}: {message}") from error
            index.refresh()
            if not _moved(entries, entry, index, key):
                raise PreparationError(f"{_name(self.samples[at])}: {damage}, and its files have changed") from damage
            self.rebuilt.append(_name(self.samples[at]))
        return entries.read(entry)

    def _made(self, at: int, image: bool, index: Index) -> list[Entry]:
        sample, key = self.samples[at], self._image_keys[at]
        if image or self.recipe.draw is None:
            return self.recipe.entries(sample)
        if key not in index.found:  # its shard is gone altogether
            self._keep(self.recipe.entries(sample))
            index.refresh()
        return self.recipe.drawn_entries(sample, index.found[key][1], key)

    def _keep(self, made: list[Entry]) -> None:
        if self._writer is None or self._writer[0] != os.getpid():
            self._writer = (os.getpid(), ShardWriter(self.folder))
        for entry in made:
            self._writer[1].append(entry)

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open in this process."""
        return {**self.__dict__, "_writer": None, "_use": None}


def _moved(entries: Entries, entry: int, index: Index, key: bytes | None) -> bool:
    """Whether a damaged entry could be replaced by another one of the same key."""
    found = None if key is None else index.found.get(key)
    if found is None or entries.is_at(entry, index.stems[found[0]], found[1]):
        return False
    try:
        entries.replace(entry, index.stems[found[0]], found[1])
    except DamagedError:
        return False
    return True


def _one_shape(records: np.ndarray) -> tuple[int, int]:
    shapes = np.unique(np.stack([records["height"], records["width"]], axis=1), axis=0).tolist()
    if len(shapes) > 1:
        raise PreparationError(
            f"transforms made images of several sizes (height, width), {shapes[:NAMED]}, but a batch needs one: resize "
            f"them (ResizeRadiographd does)"
        )
    return (shapes[0][0], shapes[0][1]) if shapes else (0, 0)


def _room(shape: tuple[int, ...], zeros: bool = False) -> Tensor:
    """Room for bytes; in a loader's worker process where the other process can read it without a further copy."""
    if get_worker_info() is None:
        # numpy asks for huge pages, which torch does not, and leaves zeros to the system until they are touched.
        return torch.from_numpy((np.zeros if zeros else np.empty)(shape, np.uint8))
    storage = torch.UntypedStorage._new_shared(math.prod(shape))  # zeros, since its file is new
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def _name(sample: Sample) -> str:
    return str(sample.get("name") or sample["image"])


def _report(excluded: Sequence[tuple[str, str]], count: int) -> str:
    first = "".join(f"\n  {name}: {message}" for name, message in excluded[:NAMED])
    more = f"\n  and {len(excluded) - NAMED} more" if len(excluded) > NAMED else ""
    return f"{len(excluded)} of {count} radiographs could not be prepared:{first}{more}"


def _stacked(samples: Sequence[Sample], key: str, kind: type) -> np.ndarray:
    return np.stack([np.asarray(sample[key], dtype=kind) for sample in samples]) if samples else np.zeros((0, 0), kind)
