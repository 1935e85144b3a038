"""What a worker does to prepare a chunk of a datalist as a bundle's training would."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from app.archive.scoring import loaded
from app.archive.settings import Settings
from app.datalist.item import Datalist, Item

if TYPE_CHECKING:
    from app.prepared import PreparedDataset


@dataclass(frozen=True)
class ItemChunk:
    """A range of a datalist's items.

    Attributes:
        number: Of the chunk, from 0.
        root: The datalist's folder, absolute.
        findings: Names, in the order of labels.
        items: The items.
    """

    number: int
    root: Path
    findings: tuple[str, ...]
    items: Sequence[Item]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class PreparedChunk:
    """What preparing a chunk gave.

    Attributes:
        number: Of the chunk.
        folder: Where its images are kept.
        excluded: (name, error) of each image that could not be prepared.
    """

    number: int
    folder: Path
    excluded: list[tuple[str, str]]


def prepare_chunk(settings: Settings, chunk: ItemChunk) -> PreparedChunk:
    """Prepare what is missing of a chunk, in the folder where the training looks for it.

    Args:
        settings: The config of a training, which is loaded once for all chunks of a process.
        chunk: The items.
    """
    from app.datalist.samples import samples

    section = Datalist("chunk", chunk.findings, {"test": list(chunk.items)})
    dataset = _empty(settings, chunk.findings).with_samples(samples(section, "test", chunk.root))
    return PreparedChunk(chunk.number, dataset.folder, dataset.excluded)


@functools.lru_cache(maxsize=1)
def _empty(settings: Settings, findings: tuple[str, ...]) -> PreparedDataset:
    """No samples under the transforms of a bundle."""
    parser = loaded(settings, "training", settings.values())
    parser["data"] = SimpleNamespace(findings=findings)
    dataset: PreparedDataset = parser.get_parsed_content("prepare")([])
    return dataset
