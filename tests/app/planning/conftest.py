"""Curves are fitted to a pilot once, as that takes most of the time of a plan."""

import pytest

from app.planning import planner
from app.planning.pilot import Pilot
from app.planning.posterior import Posterior
from app.planning.prices import Prices

FITTED: dict[object, Posterior] = {}
FIT = planner._posterior


def fitted_before(pilot: Pilot, prices: Prices) -> Posterior:
    cells = (pilot.sizes, pilot.mean, pilot.error)
    key = (pilot.metric, pilot.levels, pilot.is_located and prices.located, *(each.tobytes() for each in cells))
    if key not in FITTED:
        FITTED[key] = FIT(pilot, prices)
    return FITTED[key]


@pytest.fixture(autouse=True)
def fitted(monkeypatch: pytest.MonkeyPatch) -> dict[object, Posterior]:
    """What was fitted, by what it was fitted to; clear it to fit anew."""
    monkeypatch.setattr(planner, "_posterior", fitted_before)
    return FITTED
