"""Radiographs that were prepared once and are read back as small integers."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from app.prepared.drawn import EMPTY, put_planes, unpack
from app.prepared.folders import FolderUse
from app.prepared.preparing import Preparation, default_workers
from app.prepared.recipe import Keys, Recipe, Sample, Transform
from app.prepared.shard_reader import DamagedError
from app.prepared.shards import Geometry, ShardWriter
from app.prepared.transform_identity import digest
from app.prepared.workers import Workers, own_error

MOST_NAMED = 5
"""Bad files that an error names."""

logger = logging.getLogger(__name__)


class PreparationError(RuntimeError):
    """Some radiographs could not be prepared."""


class PreparedDataset(Dataset[dict[str, Any]]):
    """Samples whose deterministic transforms ran once, and whose results are kept in a folder.

    An image is kept under the transforms (see `identity`) and the sample's files; its masks under the annotations
    too (see `Recipe`). If any of these changes, it is made again. Labels always come from the samples. Several
    processes may use a folder at once and share the work. If one is killed, the next continues its work.

    Args:
        samples: From a datalist. ``image`` is a path; ``label`` and ``annotated`` have one value a finding. One with
            ``refused``, a reason, counts as a file that cannot be prepared.
        transform: Deterministic. Makes a dictionary whose ``image`` is (1, H, W) in [0, 1], of one size over all
            samples, and whose ``mask`` is (C, H, W). It does not get the keys of `app.prepared.recipe.HIDDEN`.
        folder: Where results are kept; one folder serves any number of data sets and transforms.
        workers: Processes to prepare with; None for one a core, 0 for this process alone (as a transform on a GPU
            needs).
        progress: Whether to show a progress bar.
        on_error: "stop" if any file cannot be prepared, or "exclude" such files with a warning. A sampler then needs
            `labels`, not the labels of the datalist.
        content: Whether files are known by their content, not by absolute path, size and time of change. That is slower
            to start, but data may be moved.

    Attributes:
        samples: Those that were prepared, in the order given.
        positions: Of each of them among the samples given.
        excluded: (name, error) of each of the others.
        shape: (H, W).
        workers: That prepare what is missing.
        doubtful: Names of the samples that were marked as hardly what is wanted (see `app.views.FrontalCheck`
            and `transforms.CropLungsd`).

    Raises:
        PreparationError: Some files cannot be prepared (all were tried; names the first ones), or sizes differ.
        UnidentifiableError: It cannot be told what a transform does.
        OSError: The disk is full, or the folder cannot be written to.
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
        self.workers = Workers(self.recipe.make, default_workers() if workers is None else workers)
        self._stops = on_error == "stop"
        self._open(Path(folder).absolute() / digest(self.recipe.description))
        try:
            self._prepare(samples, progress)
        finally:
            self.workers.end()
        self._writer.close()
        if self.excluded:
            logger.warning("%s\nThey are left out.", _report(self.excluded, len(samples)))

    def with_samples(self, samples: Sequence[Sample], folder: Path | None = None) -> PreparedDataset:
        """Other samples under the same transforms, as one process goes through many in portions.

        Memory holds what is kept of these samples alone, and all portions of one process are written to one shard. The
        processes that prepare live on for the next portion, until ``workers.end()``. There is neither a bar nor a word
        about files that cannot be prepared, which are in ``excluded``.

        Args:
            samples: As for the class.
            folder: Where results are kept; None for the folder of this one.
        """
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)  # open files included, which a copy would leave out
        if folder is not None:
            other._open(folder.absolute() / self.folder.name)
        other._prepare(samples, progress=False)
        return other

    def _open(self, folder: Path) -> None:
        self.folder = folder
        self._use: FolderUse | None = FolderUse(folder)
        self._writer = ShardWriter(folder)

    def _prepare(self, samples: Sequence[Sample], progress: bool) -> None:
        preparation = Preparation(samples, self.recipe, self.folder)
        self._reader = preparation.reader
        preparation.run(self._writer, self.workers, progress)
        self.excluded = [(_name(samples[index]), preparation.failed[index]) for index in sorted(preparation.failed)]
        if self.excluded and self._stops:
            raise PreparationError(f"{_report(self.excluded, len(samples))}\non_error: exclude goes on without them")
        self.positions: Sequence[int] = range(len(samples))
        self.samples = samples
        if self.excluded:
            self.positions = [index for index in self.positions if index not in preparation.failed]
            self.samples = [samples[index] for index in self.positions]
        self._set_keys([preparation.keys[index] for index in self.positions])

    def _set_keys(self, keys: Sequence[Keys]) -> None:
        self._keys = keys
        geometry = [self._reader.entries[key.image].geometry for key in keys]
        self.shape = _one_shape(geometry)
        self.doubtful = [_name(sample) for sample, each in zip(self.samples, geometry, strict=True) if each.is_doubtful]
        self._columns = {
            "label": torch.from_numpy(_stacked(self.samples, "label", np.float32)),
            "annotated": torch.from_numpy(_stacked(self.samples, "annotated", np.bool_)),
            "region": torch.tensor([each.region for each in geometry], dtype=torch.float32).view(-1, 4),
            "original_size": torch.tensor([each.original_size for each in geometry], dtype=torch.int64).view(-1, 2),
            "lungs_found": torch.tensor([each.lungs_found for each in geometry], dtype=torch.bool),
            "index": torch.arange(len(keys)),
        }

    @property
    def labels(self) -> np.ndarray:
        """(N, C) float32 labels of `samples`, for a sampler to balance."""
        labels: np.ndarray = self._columns["label"].numpy()
        return labels

    @property
    def lungs_not_found(self) -> list[str]:
        """Names of the samples whose lungs were not found, so that they were kept whole."""
        return [_name(self.samples[index]) for index in np.flatnonzero(~self._columns["lungs_found"].numpy()).tolist()]

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
        return [{key: values[place] for key, values in columns.items()} for place in range(len(indices))]

    def read_batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Read several samples: what `__getitem__` returns, with a leading dimension B."""
        batch = self.read_planes(indices)
        planes, plane_at = batch.pop("planes"), batch.pop("plane_at")
        mask = _new_bytes((len(indices), batch["label"].shape[1], *self.shape), zeros=True)
        return {**batch, "mask": put_planes(mask, planes, plane_at)}

    def read_planes(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Read several samples, with masks as few bytes, which `spread_planes` makes masks of on any device.

        Returns:
            What `read_batch` returns, with ``planes`` (K, bytes) uint8 and ``plane_at`` (K, 2) int64 in the place of
            ``mask``.
        """
        numbers = [range(len(self))[index] for index in indices]
        chosen = torch.tensor(numbers, dtype=torch.int64)
        planes, plane_at = self._read_drawn(numbers)
        columns = {key: values[chosen] for key, values in self._columns.items()}
        return {"image": self._read_images(numbers), "planes": planes, "plane_at": plane_at, **columns}

    def _read_images(self, numbers: Sequence[int]) -> Tensor:
        size = self.shape[0] * self.shape[1]
        result = _new_bytes((len(numbers) * size,))
        buffer = memoryview(result.numpy())  # type: ignore[arg-type]  # arrays are buffers; cheaper than slices of tensors
        self._reader.notice_changes(self._keys[number].image for number in numbers)
        for place, number in enumerate(numbers):
            part, key = buffer[place * size : (place + 1) * size], self._keys[number].image
            try:
                self._reader.read_into(key, part)
            except DamagedError as error:
                part[:] = self._read_again(number, key, error)
        return result.view(len(numbers), 1, *self.shape)

    def _read_drawn(self, numbers: Sequence[int]) -> tuple[Tensor, Tensor]:
        keys = [self._keys[number].drawn for number in numbers]
        self._reader.notice_changes(key for key in keys if key is not None)
        planes, plane_at = [], []
        for place, (number, key) in enumerate(zip(numbers, keys, strict=True)):
            if key is not None and self._reader.entries[key].length > EMPTY:
                packed, findings = unpack(self._read_drawn_entry(number, key))
                planes += list(packed)
                plane_at += [(place, finding) for finding in findings.tolist()]
        if not planes:
            return torch.zeros((0, 0), dtype=torch.uint8), torch.zeros((0, 2), dtype=torch.int64)
        return torch.from_numpy(np.stack(planes)), torch.tensor(plane_at, dtype=torch.int64)

    def _read_drawn_entry(self, number: int, key: bytes) -> np.ndarray:
        try:
            return np.frombuffer(self._reader.read(key), np.uint8)
        except DamagedError as error:
            return np.frombuffer(self._read_again(number, key, error), np.uint8)

    def _read_again(self, number: int, key: bytes, damage: DamagedError) -> memoryview:
        """Read a damaged entry from where another process has prepared it again, or prepare it again."""
        name, damaged = _name(self.samples[number]), self._reader.entries[key]
        self._reader.refresh()
        if self._reader.entries[key] != damaged:
            return self._reader.read(key)
        logger.warning("%s: %s; it is prepared again", name, damage)
        try:
            for entry in self.recipe.make(self.samples[number], self._keys[number]):
                self._writer.append(entry)
            self._reader.refresh()
            return self._reader.read(key)
        except Exception as error:
            own = own_error(error)
            raise PreparationError(
                f"{name}: {damage}, and it cannot be prepared again ({type(own).__name__}: {own})"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is open in this process."""
        return {**self.__dict__, "_writer": ShardWriter(self.folder), "_use": None}


def _one_shape(geometry: Sequence[Geometry]) -> tuple[int, int]:
    shapes = sorted({each.shape for each in geometry})
    if len(shapes) > 1:
        raise PreparationError(
            f"transforms made images of several sizes (height, width), {shapes[:MOST_NAMED]}, but a batch needs one: "
            f"resize them (ResizeRadiographd does)"
        )
    return shapes[0] if shapes else (0, 0)


def _new_bytes(shape: tuple[int, ...], zeros: bool = False) -> Tensor:
    """A new uint8 tensor; in a loader's worker process, in memory that the other process reads without a copy."""
    if get_worker_info() is None:
        # numpy asks for huge pages, which torch does not, and leaves zeros to the system until they are touched.
        return torch.from_numpy((np.zeros if zeros else np.empty)(shape, np.uint8))
    storage = torch.UntypedStorage._new_shared(math.prod(shape))  # zeros, since its file is new
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)


def _name(sample: Sample) -> str:
    return str(sample.get("name") or sample["image"])


def _report(excluded: Sequence[tuple[str, str]], count: int) -> str:
    first = "".join(f"\n  {name}: {message}" for name, message in excluded[:MOST_NAMED])
    more = f"\n  and {len(excluded) - MOST_NAMED} more" if len(excluded) > MOST_NAMED else ""
    return f"{len(excluded)} of {count} radiographs could not be prepared:{first}{more}"


def _stacked(samples: Sequence[Sample], key: str, kind: type) -> np.ndarray:
    return np.stack([np.asarray(sample[key], dtype=kind) for sample in samples]) if samples else np.zeros((0, 0), kind)
