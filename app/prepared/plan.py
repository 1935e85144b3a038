"""What of some samples is missing in a folder, and how it is made."""

from __future__ import annotations

import errno
import functools
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from app.files.atomic import write_whole
from app.prepared.folders import CANNOT_WRITE, DESCRIPTION
from app.prepared.preparing import Task, prepare_missing
from app.prepared.recipe import Recipe, Sample
from app.prepared.space import of_other_transforms
from app.prepared.store import Entry, Index

Make = Callable[[int], list[Entry]]
Keys = dict[int, tuple[bytes, ...]]

logger = logging.getLogger(__name__)


class Preparation:
    """Finds out what of the samples is missing, and prepares it: first the images, then what is drawn on them.

    Attributes:
        image_keys: by number of the sample, unless its file is not there.
        drawn_keys: by number of the sample, where something is drawn on it.
        failed: what is wrong, by number of the sample.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, index: Index) -> None:
        self.samples = samples
        self.recipe = recipe
        self.index = index
        self.image_keys: dict[int, bytes] = {}
        self.drawn_keys: dict[int, bytes] = {}
        self.failed: dict[int, str] = {}
        for at, sample in enumerate(samples):
            try:
                self.image_keys[at] = recipe.image_key(sample)
                drawn_key = recipe.drawn_key(sample, self.image_keys[at])
            except OSError as error:
                self.failed[at] = f"{type(error).__name__}: {error}"
                continue
            if drawn_key is not None:
                self.drawn_keys[at] = drawn_key

    def run(self, workers: int, progress: bool) -> None:
        """Prepare; what fails is left in ``failed``.

        Raises:
            OSError: where the disk is full or the folder cannot be written to.
        """
        together = self.recipe.draw is None
        places = [at for at in self.image_keys if at not in self.failed]
        keys: Keys = {
            at: (self.drawn_keys[at], self.image_keys[at]) if together else (self.image_keys[at],) for at in places
        }
        self._run("Preparing radiographs", keys, self._entries, workers, progress)
        if not together:
            keys = {at: (key,) for at, key in self.drawn_keys.items() if at not in self.failed}
            self._run("Drawing annotations", keys, self._drawn_entries, workers, progress)

    def _entries(self, at: int) -> list[Entry]:
        return self.recipe.entries(self.samples[at])

    def _drawn_entries(self, at: int) -> list[Entry]:
        key = self.image_keys[at]
        return self.recipe.drawn_entries(self.samples[at], self.index.found[key][1], key)

    def _run(self, title: str, keys: Keys, make: Make, workers: int, progress: bool) -> None:
        first = {wanted: at for at, wanted in reversed(keys.items())}  # each file once, however often it is listed
        places = sorted(first.values())
        task = Task(title, [keys[at] for at in places], functools.partial(_make_at, make, places))
        if any(not task.is_done(place, self.index) for place in range(len(places))):
            _make_folder(self.index.folder, self.recipe.description)
            prepare_missing(task, self.index, workers, progress)
        failed = {task.keys[place]: message for place, message in task.failed.items()}
        self.failed.update({at: failed[wanted] for at, wanted in keys.items() if wanted in failed})


def _make_at(make: Make, places: Sequence[int], place: int) -> list[Entry]:
    return make(places[place])


def _make_folder(folder: Path, description: object) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "no permission to write", str(folder))
        rest = "" if (folder / DESCRIPTION).is_file() else of_other_transforms(folder)
        if rest:
            logger.info("%s: %s", folder.parent, rest)
        write_whole(folder / DESCRIPTION, json.dumps(description, indent=1, sort_keys=True))
    except OSError as error:
        if error.errno not in CANNOT_WRITE:
            raise
        message = "not all radiographs are prepared yet, and the folder to keep them in cannot be written to"
        raise PermissionError(error.errno, message, str(folder)) from error
