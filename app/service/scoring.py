"""Score what waits in the spool, one image after the other."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path
from threading import Event

from app.dicom.header import HeaderError
from app.engines.scored_radiograph import ScoredRadiograph
from app.files.limited import limited
from app.service.model import ResidentModel
from app.service.selection import LeftOutError, why_left_out
from app.service.settings import Settings
from app.service.spool import Shard, Spool, Waiting
from app.service.table import LEFT_OUT, QUARANTINED, Table
from app.service.waiting import Backoff, described, is_passing
from transforms.errors import RadiographError, UnsuitedError

LOOK_EVERY = 0.2
"""Seconds between two looks into an empty spool."""
MOST_TRIES = 5
"""How often an image may end the service, or fail for a reason that we do not know, before it is blamed."""
OURS = (RadiographError, HeaderError, FloatingPointError)
BAD = (*OURS, ValueError)
"""Errors that are the image's own fault."""

logger = logging.getLogger(__name__)


class Scorer:
    """Takes images from the spool to results in the outbox, or out of the queue.

    Args:
        settings: Of the service.
        spool: Of the service.
        table: Of this shard.
        model: Loaded.
    """

    def __init__(self, settings: Settings, spool: Spool, table: Table, model: ResidentModel) -> None:
        self.settings, self.spool, self.table, self.model = settings, spool, table, model

    def run(self, shard: Shard, stop: Event) -> None:
        """Score until ``stop`` is set; the image in hand is finished then."""
        backoff = Backoff()
        while not stop.is_set():
            waiting = self.spool.waiting(shard)
            for image in waiting:
                if stop.is_set():
                    return
                try:
                    self.handle(image)
                    backoff.reset()
                except Exception as error:
                    if not is_passing(error):
                        raise
                    logger.warning(f"{image.name} is scored later: {described(error)}")
                    stop.wait(backoff.next())
            if not waiting:
                stop.wait(LOOK_EVERY)

    def handle(self, image: Waiting) -> None:
        """Score one image: its results are in the outbox then, or it is left out or in quarantine.

        Raises:
            Exception: One that `is_passing`: the image is still in the queue.
        """
        tries = self.table.begin(image.name, image.since, time.time())
        if tries > MOST_TRIES:
            self._set_aside(image, f"was given up after {MOST_TRIES} tries, each of which ended the service or failed")
            return
        try:
            self._score(image)
        except (LeftOutError, UnsuitedError) as error:
            self.table.end(image.name, LEFT_OUT, str(error), time.time())
            self.spool.finish(image, keep=False)
        except Exception as error:
            if not image.path.exists():
                return  # somebody took it away
            if isinstance(error, BAD):
                self._set_aside(image, _words(error, image.path))
                return
            if is_passing(error):
                self.table.put_off(image.name)
                raise
            # Perhaps a fault of ours: tried again, and blamed on the image in the end. Its message may quote anything.
            where = "".join(traceback.format_tb(error.__traceback__))
            logger.error(f"{image.name}: {type(error).__name__}\n{where}")

    def _score(self, image: Waiting) -> None:
        reason = limited(why_left_out, image.path, self.settings.images, self.model.any_view)
        if reason:
            raise LeftOutError(reason)
        radiograph = self.model.score(image.path)
        objects = self.model.objects(radiograph)
        # First, since the sender, which is another process, notes when it has sent them.
        scores, is_doubtful = self._scores(radiograph), radiograph.is_doubtful
        self.table.scored(image.name, time.time(), self.model.algorithm, scores, is_doubtful)
        self.spool.deliver(image.name, objects)
        self.spool.finish(image, self.settings.keep_images)

    def _scores(self, radiograph: ScoredRadiograph) -> dict[str, tuple[float, bool]]:
        each = zip(self.model.findings, radiograph.scores, radiograph.is_called, strict=True)
        return {finding: (float(score), bool(is_called)) for finding, score, is_called in each}

    def _set_aside(self, image: Waiting, reason: str) -> None:
        self.spool.set_aside(image, reason)
        self.table.end(image.name, QUARANTINED, reason, time.time())
        logger.warning(f"{image.name} is in quarantine: {reason}")


def _words(error: Exception, path: Path) -> str:
    """What is wrong with an image; of errors that are not ours the class alone, since a message may quote a value."""
    if not isinstance(error, OURS):
        return f"cannot be scored ({type(error).__name__})"
    text = str(error)
    for each in (path.absolute(), path):  # the reader is given the first
        text = text.replace(f"{each}: ", "").replace(str(each), path.name)
    return text
