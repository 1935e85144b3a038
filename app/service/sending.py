"""Send what waits in the outbox; what cannot be sent now is kept, and tried again after a while."""

from __future__ import annotations

import logging
import time
from collections import Counter
from threading import Event

from app.service.spool import Shard, Spool, Waiting
from app.service.table import REFUSED, SENT, Table
from app.service.targets import RefusedError, Sending
from app.service.waiting import Backoff, described

LOOK_EVERY = 0.2
"""Seconds between two looks into an empty outbox."""

logger = logging.getLogger(__name__)


def run(target: Sending, spool: Spool, table: Table, shard: Shard, stop: Event) -> None:
    """Send until ``stop`` is set; the results in hand are sent then."""
    backoff, failures = Backoff(longest=60), Counter[str]()
    while not stop.is_set():
        count, problem = 0, ""
        # Those that failed come last, so that none keeps the others waiting.
        for results in sorted(spool.to_send(shard), key=lambda each: failures[each.name]):
            try:
                send(target, spool, table, results)
            except Exception as error:  # whatever it is, results are not lost, and the others are sent first
                if not results.path.exists():
                    continue  # newer ones are about to replace them
                failures[results.name] += 1
                problem = described(error)
            else:
                count += 1
                failures.pop(results.name, None)
            if stop.is_set() or (problem and not count):
                break
        if problem:
            logger.warning(f"results are kept and sent later: {problem}")
        if count:
            backoff.reset()
        stop.wait(backoff.next() if problem else 0 if count else LOOK_EVERY)


def send(target: Sending, spool: Spool, table: Table, results: Waiting) -> None:
    """Send the results of one image, and note it; results that are not accepted go to quarantine.

    Raises:
        Exception: The results are still in the outbox.
    """
    try:
        files = sorted(results.path.iterdir())
        if files:
            target.send(results.name, files)
    except RefusedError as error:
        spool.set_aside(results, f"results: {error}")
        table.end(results.name, REFUSED, str(error), time.time())
        logger.warning(f"results of {results.name} are in quarantine: {error}")
        return
    table.end(results.name, SENT, "", time.time())
    spool.sent(results)
