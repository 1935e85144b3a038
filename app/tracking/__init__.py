"""Runs in MLflow: one of its own per launch, with a status that is true and nothing lost when a server goes away.

Importing this imports neither mlflow nor torch; both come when a run is opened.
"""

from app.tracking.errors import TrackingError
from app.tracking.finished import artifact_of_run
from app.tracking.run import Run
from app.tracking.stored import StoredRun, run_of_folder, stored_run
from app.tracking.sync import sync

__all__ = ["Run", "StoredRun", "TrackingError", "artifact_of_run", "run_of_folder", "stored_run", "sync"]
