"""Scoring and preparing an archive: chunks handed to workers, with what is done already left out."""

from __future__ import annotations

import functools
import hashlib
import itertools
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from app.archive.chunks import FOLDER, USUAL_SIZE, chunk_size, chunks
from app.archive.preparing import ItemChunk, PreparedChunk, prepare_chunk
from app.archive.scoring import score_chunk
from app.archive.settings import Settings, result_digest
from app.archive.tables import write_tables
from app.cluster import Outcome, Resources, Task, connected
from app.cluster.processes import in_processes
from app.datalist.item import Datalist
from app.files.lease import Lease
from app.files.score_tables import EXCLUDED, TABLES, write_excluded
from app.installed import find_file
from app.interrupts import sigterm_as_exit

if TYPE_CHECKING:
    from tqdm import tqdm

MOST_FAILED = 10
"""Chunks that may fail before the rest is not tried."""
GOES_ON = "the same command goes on with what is missing"
MOST_PREPARED = 4096
"""Images in a chunk that is prepared: each begins with a look at the records of the whole folder."""

logger = logging.getLogger(__name__)

Run = Callable[[Iterable[Task]], Iterator[Outcome]]


@dataclass(frozen=True)
class Place:
    """Where chunks are worked on.

    Attributes:
        on: A Ray cluster, as ``--on`` names it; None for processes of this machine.
        jobs: Number of workers; None for as many as the cluster has room for.
        claim: What each worker claims of a node.
        chunk: Images in a chunk, at least; None for the usual number.
    """

    on: str | None
    jobs: int | None
    claim: Resources = field(default_factory=Resources)
    chunk: int | None = None

    @contextmanager
    def opened(self, folders: Sequence[Path], read: Path) -> Iterator[Run]:
        """A function that runs tasks there.

        Args:
            folders: That every node must write to; they are made if they are missing.
            read: Where the images lie, which every node must see; nothing is written there.

        Raises:
            ValueError: The cluster is not reached, has no node for the claim, or a node cannot do the work.
        """
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        if self.on is None:
            with sigterm_as_exit():  # so that workers end, too
                yield lambda tasks: in_processes(tasks, self.jobs or 1)
            return
        with connected(self.on, folders, [read]) as cluster:
            cluster.require(self.claim)
            yield lambda tasks: cluster.run_in_pool(tasks, self.claim, self.jobs)


@dataclass(frozen=True)
class Images:
    """A list of images: where they lie, and their names in the order of the table."""

    root: Path
    names: Sequence[str]


def score(settings: Settings, config: dict[str, Any], images: Images, place: Place, keep: bool) -> None:
    """Score images in chunks, and write their tables into the setting ``output_dir``.

    Chunks that have a result there are not scored again, so the same command goes on after anything has died.

    Args:
        settings: A bundle's ``inference.yaml``, with overrides.
        config: Made of them, with what the weights bring.
        images: What is scored.
        place: Where.
        keep: As for `app.archive.scoring.score_chunk`.

    Raises:
        ValueError: A chunk failed, no image can be read, another process scores into this folder, or the weights or
            the config changed meanwhile.
    """
    output = Path(config["output_dir"]).absolute()
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    weights = find_file(config["checkpoint"])
    digest = result_digest(config, weights)
    size = chunk_size(place.chunk, config["batch_size"])
    files: list[Path] = []

    def tasks(bar: tqdm[NoReturn]) -> Iterator[Task]:
        for chunk in chunks(images.root, images.names, size):
            file = chunk.file(folder, digest)
            files.append(file)
            if file.is_file():
                bar.initial += len(chunk)  # done before, so that they do not count for the rate
                bar.update(len(chunk))
            else:
                yield Task(f"chunk {chunk.number}", score_chunk, (settings, chunk, file, keep))

    def remove_tables() -> None:
        for name in TABLES:  # so that nobody takes those of an earlier run for the results of this one
            (output / name).unlink(missing_ok=True)

    @contextmanager
    def opened() -> Iterator[Run]:
        folders = [output, *([Path(config["prepared_dir"]).absolute()] if keep else [])]
        with place.opened(folders, images.root) as run:
            remove_tables()
            yield run

    with Lease(folder):
        run_chunks(tasks, len(images.names), "Scoring radiographs", opened)
        if result_digest(config, weights) != digest:
            raise ValueError(f"{weights}: the weights or the config changed meanwhile; start the same command again.")
        remove_tables()
        totals = write_tables(files, output)
        for file in set(folder.glob("*.json")) - set(files):
            file.unlink()  # of other settings, or of a list of images that has changed
    totals.tell(config["findings"], output)


def prepare(settings: Settings, datalist: Datalist, path: Path, folder: Path, place: Place) -> None:
    """Prepare all images of a datalist in chunks, so that trainings find them prepared.

    Images that are prepared already are not prepared again.

    Args:
        settings: A bundle's ``train.yaml``, with overrides.
        datalist: With the findings of the training.
        path: Of its file.
        folder: The setting ``prepared_dir``, where which images could not be prepared, and why, is written down, in a
            table of this datalist's: ``NAME-DIGITS.excluded.csv``, with digits that stand for its path.
        place: Where.

    Raises:
        ValueError: A chunk failed, or no image can be prepared.
    """
    items = datalist.items()
    size = place.chunk or min(MOST_PREPARED, max(USUAL_SIZE, len(items) // 100))

    def tasks(bar: tqdm[NoReturn]) -> Iterator[Task]:
        for number, first in enumerate(range(0, len(items), size)):
            chunk = ItemChunk(number, path.parent.resolve(), datalist.findings, items[first : first + size])
            yield Task(f"chunk {number}", prepare_chunk, (settings, chunk))

    opened = functools.partial(place.opened, [folder.absolute()], path.parent.resolve())
    done: list[PreparedChunk] = run_chunks(tasks, len(items), "Preparing radiographs", opened)
    excluded = [row for chunk in sorted(done, key=lambda each: each.number) for row in chunk.excluded]
    digits = hashlib.sha256(bytes(path.resolve())).hexdigest()[:8]
    table = folder / f"{path.stem}-{digits}.{EXCLUDED}"
    write_excluded(table, excluded)
    if len(excluded) == len(items):
        reason = f"; each is named with its error in {table}, the first: {excluded[0][1]}" if excluded else ""
        raise ValueError(f"{path}: none of {len(items)} radiographs can be prepared{reason}")
    logger.info(f"{len(items) - len(excluded)} radiographs are prepared in {done[0].folder}")
    if excluded:
        logger.warning(f"{len(excluded)} could not be prepared: {table}")


def run_chunks(
    tasks: Callable[[tqdm[NoReturn]], Iterable[Task]],
    total: int,
    words: str,
    opened: Callable[[], AbstractContextManager[Run]],
) -> list[Any]:
    """Run the tasks of chunks; the second argument of each is its chunk.

    Args:
        tasks: Of the chunks that are not done yet.
        total: Number of images.
        words: For the progress bar.
        opened: Gives what runs them; entered only if there is a task.

    Returns:
        What each of them returned.

    Raises:
        ValueError: A chunk failed; the others were finished, unless `MOST_FAILED` failed.
    """
    from tqdm import tqdm

    failed: list[Outcome] = []
    values = []
    try:
        with (
            tqdm(total=total, desc=words, unit="image") as bar,
            closing(_outcomes(iter(tasks(bar)), opened)) as outcomes,
        ):
            for outcome in outcomes:
                if not outcome.error:
                    values.append(outcome.value)
                    bar.update(len(outcome.task.arguments[1]))
                    continue
                failed.append(outcome)
                if len(failed) >= MOST_FAILED:
                    break
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {GOES_ON}") from None
    if failed:
        raise ValueError(
            f"{len(failed)} chunks failed, the first ({failed[0].task.name}): {failed[0].error}; {GOES_ON}"
        )
    return values


def _outcomes(
    tasks: Iterator[Task], opened: Callable[[], AbstractContextManager[Run]]
) -> Generator[Outcome, None, None]:
    first = next(tasks, None)
    if first is None:  # everything is done, so that no cluster is needed
        return
    with opened() as run:
        yield from run(itertools.chain([first], tasks))
