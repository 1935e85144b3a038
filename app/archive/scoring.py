"""What a worker does to score a chunk; the network is loaded once."""

from __future__ import annotations

import functools
import logging
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.archive.chunks import Chunk, result_text
from app.archive.settings import Settings
from app.files.atomic import write_whole
from app.files.score_tables import ChunkResult

TEMPORARY = f"frugal-prepared-{os.getuid()}"
"""Folder within the system's folder for temporary files, for radiographs that are prepared for one chunk."""

ABANDONED_DAYS = 1 / 24
"""A chunk takes less, so what nobody uses for so long is of a process that was killed."""


def score_chunk(settings: Settings, chunk: Chunk, file: Path, keep: bool) -> None:
    """Score a chunk and write its result.

    Args:
        settings: The config, which is loaded once for all chunks of a process.
        chunk: The images.
        file: For the result.
        keep: Whether prepared radiographs are kept in the setting ``prepared_dir``, or only until they are scored.
    """
    write_whole(file, result_text(_scorer(settings, keep).score(chunk)))


class ChunkScorer:
    """A network with the preparation of its input, as a bundle's ``inference.yaml`` describes both.

    Args:
        settings: The config.
        keep: As for `score_chunk`.
    """

    def __init__(self, settings: Settings, keep: bool) -> None:
        overrides = settings.values()
        self._folder = None if keep else _temporary_folder()
        if self._folder is not None:
            overrides["prepared_dir"] = str(self._folder / "none")
        parser = loaded(settings, "run", overrides)
        self.inference = parser.get_parsed_content("inference")
        self.inference.load(parser.get_parsed_content("checkpoint"))

    def score(self, chunk: Chunk) -> ChunkResult:
        """Prepare and score the images of a chunk."""
        samples = self.inference.samples.of(chunk.root, chunk.names)
        folder = None if self._folder is None else self._folder / secrets.token_hex(8)
        try:
            dataset = self.inference.evaluator.dataset.with_samples(samples, folder)
            result: ChunkResult = self.inference.score(dataset)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        return result


def loaded(settings: Settings, run_id: str, overrides: dict[str, object]) -> Any:  # noqa: ANN401 - MONAI's parser
    """The parser of a config that was checked, with nothing evaluated yet, and without messages that name files."""
    import warnings

    from app.workflows.running import reach_modules

    reach_modules(Path(settings.files[0]))
    warnings.filterwarnings("ignore", message="parsing config_file", category=UserWarning)
    from monai.utils import set_determinism

    from app.engines import RadiographWorkflow

    set_determinism(seed=0)  # as at the beginning of a run (`app.engines.begin`)
    logging.getLogger("app.prepared").setLevel(logging.ERROR)  # what is left out is counted, and stands in a table
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    return RadiographWorkflow(list(settings.files), run_id=run_id, **overrides).parser


@functools.lru_cache(maxsize=1)
def _scorer(settings: Settings, keep: bool) -> ChunkScorer:
    return ChunkScorer(settings, keep)


def _temporary_folder() -> Path:
    """The folder of this user for prepared radiographs; removes what was left by processes that were killed."""
    from app.prepared.folders import remove_unused

    parent = Path(tempfile.gettempdir()) / TEMPORARY
    parent.mkdir(mode=0o700, exist_ok=True)
    for folder in parent.iterdir():
        with suppress(OSError):  # another process removes it as well, or it is in use
            remove_unused(folder, ABANDONED_DAYS)
            folder.rmdir()
    return parent
