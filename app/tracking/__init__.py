"""Runs in MLflow: one for each launch, with a true status, and nothing lost while a tracking server is away.

Importing this package imports neither mlflow nor torch; opening a run imports both.
"""

from app.tracking.errors import TrackingError
from app.tracking.journal import sync
from app.tracking.lookup import StoredRun, head_of_folder, run_of_folder, stored_run, weights_of
from app.tracking.run import Run

__all__ = [
    "Run",
    "StoredRun",
    "TrackingError",
    "head_of_folder",
    "run_of_folder",
    "stored_run",
    "sync",
    "weights_of",
]
