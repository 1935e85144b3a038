"""One run in MLflow for each day: how many images, how fast, and how scores are distributed, which shows a drift."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterator

import numpy as np

from app.service.health import quantiles
from app.service.settings import Settings, Tracking
from app.service.spool import Shard
from app.service.table import LEFT_OUT, QUARANTINED, REFUSED, Table

BINS = 10
"""Of the histogram of a finding's scores, over [0, 1]."""
NOTE = "day recorded"

logger = logging.getLogger(__name__)


def days_to_record(table: Table, today: datetime.date) -> Iterator[datetime.date]:
    """Days before today that have images and were not recorded yet, the oldest first."""
    last, first = table.noted(NOTE), table.first()
    if first is None:
        return
    day = datetime.date.fromtimestamp(first)
    if last is not None:
        day = max(day, datetime.date.fromisoformat(last) + datetime.timedelta(days=1))
    while day < today:
        if any(table.counts(*_limits(day)).values()):
            yield day
        day += datetime.timedelta(days=1)


def record(settings: Settings, table: Table, shard: Shard, day: datetime.date) -> None:
    """Record a day in MLflow, if days are to be recorded, and note that it was.

    Raises:
        TrackingError: The store cannot be used; the day can be recorded later.
    """
    if settings.tracking is not None:
        _log(settings.tracking, settings, table, shard, day)
    table.note(NOTE, day.isoformat())


def _log(tracking: Tracking, settings: Settings, table: Table, shard: Shard, day: datetime.date) -> None:
    from app.tracking import Run

    since, until = _limits(day)
    folder = settings.spool / "runs" / f"{day}-{shard}"
    with Run(tracking.experiment, f"{day} {shard}", tracking.uri, folder=folder) as run:
        run.parameters({"day": day.isoformat(), "shard": str(shard), "weights": settings.weights})
        run.metrics(summary(table, since, until), step=0)
        run.metrics(distributions(table.scores(since, until)), step=0)
        reasons = {each: table.reasons(each, since, until) for each in (LEFT_OUT, QUARANTINED, REFUSED)}
        lines = [f"{outcome}: {why}: {count}" for outcome, all_ in reasons.items() for why, count in all_.items()]
        run.text("\n".join(lines) + "\n", "reasons.txt")


def summary(table: Table, since: float, until: float) -> dict[str, float]:
    """How many images of a time have each outcome, how many are in doubt, and how long their results took."""
    counts = {f"images.{each}": float(count) for each, count in table.counts(since, until).items()}
    counts["images.doubtful"] = float(table.doubtful(since, until))
    latency = quantiles(table.latencies(since, until))
    return counts | {f"latency_seconds.{each}": value for each, value in latency.items()}


def distributions(scores: dict[str, list[tuple[float, bool]]]) -> dict[str, float]:
    """By finding: mean score, share called present, and the share of scores in each of ten equal bins.

    Example:
        >>> distributions({"Nodule": [(0.05, False), (0.95, True)]})["score.Nodule.called"]
        0.5
    """
    result = {}
    for finding, given in scores.items():
        values = np.array([score for score, _ in given])
        result[f"score.{finding}.mean"] = float(values.mean())
        result[f"score.{finding}.called"] = float(np.mean([is_called for _, is_called in given]))
        shares = np.histogram(values, BINS, (0, 1))[0] / len(values)
        result |= {f"score.{finding}.bin{number}": float(share) for number, share in enumerate(shares)}
    return result


def _limits(day: datetime.date) -> tuple[float, float]:
    """The first second of a day and of the next, in local time."""
    start = datetime.datetime.combine(day, datetime.time())
    return start.timestamp(), (start + datetime.timedelta(days=1)).timestamp()
