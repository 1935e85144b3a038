"""Radiographs that were prepared once and are read back from memory-mapped integers."""

from __future__ import annotations

import json
import logging
import os
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from app.data.cache.encode import Sample, sample_key, unpack_boxes, unpack_planes
from app.data.cache.identity import digest, identity
from app.data.cache.prepare import PreparationError, Task, attempt, default_workers, prepare_missing
from app.data.cache.shards import Prepared, ShardIndex, ShardWriter

FORMAT = 1
"""Changes with the layout of the files."""
NAMED = 5
"""How many bad files an error names."""

logger = logging.getLogger(__name__)


class PreparedDataset(Dataset[dict[str, Any]]):
    """Samples whose deterministic transforms ran once, and whose results are kept in a folder.

    A result is kept under the transforms with their source, parameters and weight files, and under the sample's
    files and annotations: where any of these changes, it is made again. Labels are taken from the samples each time.
    Several processes may use one folder at once and share the work; one that was killed is continued.

    Args:
        samples: as the datalist gives them: ``image`` is a path, ``label`` and ``annotated`` have one value a
            finding.
        transform: deterministic; makes of a sample's dictionary one whose ``image`` is (1, H, W) in [0, 1], of one
            size over all samples, and whose ``mask`` is (C, H, W).
        folder: where results are kept.
        workers: processes to prepare with; None for one a core, 0 for this one alone.
        progress: whether to show a progress bar with an estimate.
        on_error: "raise" or "exclude": what to do about files that cannot be prepared.
        bits: 8 or 16 a pixel.
        content: whether files are known by their content, not by absolute path, size and time of change; slower to
            start, but data may be moved.

    Attributes:
        samples: those that were prepared, in the order given.
        excluded: (name, error) of each that could not be.
        lungs_not_found: names of those that were kept whole for want of lungs.
        shape: (H, W).
        rebuilt: names of those that were found damaged in this process and were prepared again.

    Raises:
        PreparationError: after all were tried, naming the first that failed; also where sizes differ.
        UnidentifiableError: where it cannot be told what a transform does.
        OSError: where the disk is full or the folder cannot be written to.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        transform: Callable[[Sample], Mapping[str, Any]],
        folder: str | Path,
        workers: int | None = None,
        progress: bool = True,
        on_error: str = "raise",
        bits: int = 8,
        content: bool = False,
    ) -> None:
        if on_error not in ("raise", "exclude"):
            raise ValueError(f"on_error is {on_error!r}, but must be 'raise' or 'exclude'")
        if bits not in (8, 16):
            raise ValueError(f"bits is {bits!r}, but must be 8 or 16")
        described = {
            "format": FORMAT,
            "bits": bits,
            "files": "content" if content else "path",
            "transform": identity(transform),
        }
        self.folder = Path(folder).absolute() / digest(described)
        self.transform = transform
        self.bits = bits
        self.rebuilt: list[str] = []
        self._maps: dict[int, Tensor] = {}
        self._writer: tuple[int, ShardWriter] | None = None
        failed: dict[int, str] = {}
        keys = _keys(samples, content, failed)
        index = ShardIndex(self.folder, bits // 8)
        index.refresh()
        by_key = {key: at for at, key in keys.items()}
        task = Task([samples[at] for at in by_key.values()], list(by_key), transform, bits)
        if any(key not in index.found for key in by_key):
            _make_folder(self.folder, described)
            prepare_missing(task, index, default_workers() if workers is None else workers, progress)
        failed.update({at: task.failed[key] for at, key in keys.items() if key in task.failed})
        self.excluded = [(_name(samples[at]), message) for at, message in sorted(failed.items())]
        if self.excluded and on_error == "raise":
            raise PreparationError(_report(self.excluded, len(samples)))
        kept = [at for at in range(len(samples)) if at not in failed]
        self.samples = [samples[at] for at in kept]
        self._fill(index, [keys[at] for at in kept])

    def _fill(self, index: ShardIndex, keys: list[bytes]) -> None:
        found = [index.found[key] for key in keys]
        records = np.array([record for _, record in found]) if found else np.zeros(0, dtype=_record_type())
        sizes = {(int(height), int(width)) for height, width in zip(records["height"], records["width"], strict=True)}
        if len(sizes) > 1:
            raise PreparationError(
                f"transforms made images of several sizes (height, width), {sorted(sizes)[:NAMED]}, but a batch needs "
                f"one: resize them (ResizeRadiographd does)"
            )
        self.shape = sizes.pop() if sizes else (0, 0)
        self._keys = keys
        self._stems = list(index.stems)
        self._shard = np.array([shard for shard, _ in found], dtype=np.int64)
        self._records = records
        self._label = _stacked(self.samples, "label", np.float32)
        self._annotated = _stacked(self.samples, "annotated", np.bool_)
        self._region = torch.from_numpy(records["region"].astype(np.float32))
        self._original_size = torch.from_numpy(records["original_size"].astype(np.int64))
        self._lungs_found = torch.from_numpy(records["lungs_found"].astype(bool))
        # Shared, so that a row that one worker process has checked is not checked by the others, nor in later epochs.
        self._checked = torch.zeros(len(keys), dtype=torch.bool).share_memory_()
        self._own: dict[int, Prepared] = {}

    @property
    def lungs_not_found(self) -> list[str]:
        """Names of the samples that were kept whole for want of lungs."""
        return [_name(self.samples[at]) for at in np.flatnonzero(~self._lungs_found.numpy())]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read one sample.

        Returns:
            ``image`` (1, H, W) uint8 (uint16 with 16 bits), ``mask`` (C, H, W) uint8, ``label`` (C,) float32,
            ``annotated`` (C,) bool, ``region`` (4,) float32, ``original_size`` (2,) int64, ``lungs_found`` bool,
            ``index`` int.
        """
        at = range(len(self))[index]
        sample = {key: value[0] for key, value in self.read_batch([at]).items()}
        sample["lungs_found"], sample["index"] = bool(sample["lungs_found"]), at
        return sample

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Read several samples, as a ``DataLoader`` asks for a batch of them."""
        batch = self.read_batch(indices)
        return [{key: value[place] for key, value in batch.items()} for place in range(len(indices))]

    def read_batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Read several samples as tensors with a leading dimension B, copying every pixel once."""
        places = [range(len(self))[at] for at in indices]
        chosen = torch.as_tensor(places, dtype=torch.int64)
        image = torch.empty((len(places), 1, *self.shape), dtype=torch.uint8 if self.bits == 8 else torch.uint16)
        for place, at in enumerate(places):
            image[place, 0] = self._pixels(at)
        label = self._label[chosen]
        mask = torch.zeros((len(places), label.shape[1], *self.shape), dtype=torch.uint8)
        for place, at in enumerate(places):
            planes, findings = unpack_planes(self._drawn(at), self.shape)
            if len(findings):
                mask[place, torch.from_numpy(findings)] = torch.from_numpy(planes)
        return {
            "image": image,
            "mask": mask,
            "label": label,
            "annotated": self._annotated[chosen],
            "region": self._region[chosen],
            "original_size": self._original_size[chosen],
            "lungs_found": self._lungs_found[chosen],
            "index": chosen,
        }

    def boxes(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of a sample (N, 4) float32 x, y, width, height in pixels of its image, and (N,) int64 their findings."""
        return unpack_boxes(self._drawn(range(len(self))[index]))

    def _pixels(self, at: int) -> Tensor:
        if at in self._own:
            return torch.from_numpy(self._own[at].pixels)
        pixels = self._map(int(self._shard[at]))[int(self._records["row"][at])]
        if not self._checked[at]:
            if zlib.crc32(memoryview(pixels.numpy())) != self._records["checksum"][at]:
                return torch.from_numpy(self._again(at).pixels)
            self._checked[at] = True
        return pixels

    def _drawn(self, at: int) -> bytes:
        if at in self._own:
            return self._own[at].drawn
        record = self._records[at]
        if not record["drawn_length"]:
            return b""
        with open(f"{self._stems[self._shard[at]]}.drawn", "rb") as file:
            file.seek(int(record["drawn_at"]))
            drawn = file.read(int(record["drawn_length"]))
        return drawn if zlib.crc32(drawn) == record["drawn_checksum"] else self._again(at).drawn

    def _map(self, shard: int) -> Tensor:
        if shard not in self._maps:
            kind = np.uint8 if self.bits == 8 else np.uint16
            path = f"{self._stems[shard]}.pixels"
            rows = os.path.getsize(path) // (self.shape[0] * self.shape[1] * self.bits // 8)  # noqa: PTH202
            mapped = np.memmap(path, kind, "r", shape=(rows, *self.shape))
            with warnings.catch_warnings():  # that nothing may be written to it, which nothing here does
                warnings.simplefilter("ignore", UserWarning)
                self._maps[shard] = torch.from_numpy(mapped)
        return self._maps[shard]

    def _again(self, at: int) -> Prepared:
        """Prepare a damaged sample again, and keep it beside the damaged row, which it supersedes."""
        name = _name(self.samples[at])
        logger.warning("%s: what was kept of it in %s is damaged; it is prepared again", name, self.folder)
        prepared = attempt(self.samples[at], self.transform, self.bits)
        if isinstance(prepared, str):
            raise PreparationError(f"{name}: kept damaged in {self.folder}, and cannot be prepared again: {prepared}")
        if self._writer is None or self._writer[0] != os.getpid():
            self._writer = (os.getpid(), ShardWriter(self.folder))
        self._writer[1].append(self._keys[at], prepared)
        self._own[at] = prepared
        self.rebuilt.append(name)
        return prepared

    def __getstate__(self) -> dict[str, Any]:
        """All but what is open in this process."""
        return {**self.__dict__, "_maps": {}, "_writer": None}


def _keys(samples: Sequence[Sample], content: bool, failed: dict[int, str]) -> dict[int, bytes]:
    keys = {}
    for at, sample in enumerate(samples):
        try:
            keys[at] = sample_key(sample, content)
        except OSError as error:
            failed[at] = f"{type(error).__name__}: {error}"
    return keys


def _make_folder(folder: Path, described: object) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError("not writable")
        temporary = folder / f"transform.json.{os.getpid()}"
        temporary.write_text(json.dumps(described, indent=1, sort_keys=True))
        temporary.replace(folder / "transform.json")
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            "not all radiographs are prepared, and the folder to keep them in cannot be written to",
            str(folder),
        ) from error


def _name(sample: Mapping[str, Any]) -> str:
    return str(sample.get("name") or sample["image"])


def _report(excluded: Sequence[tuple[str, str]], count: int) -> str:
    first = "".join(f"\n  {name}: {message}" for name, message in excluded[:NAMED])
    more = f"\n  and {len(excluded) - NAMED} more" if len(excluded) > NAMED else ""
    return f"{len(excluded)} of {count} radiographs could not be prepared:{first}{more}"


def _stacked(samples: Sequence[Sample], key: str, kind: type) -> Tensor:
    values = [np.asarray(sample[key], dtype=kind) for sample in samples]
    return torch.from_numpy(np.stack(values)) if values else torch.zeros((0, 0))


def _record_type() -> np.dtype:
    from app.data.cache.shards import RECORD

    return RECORD
