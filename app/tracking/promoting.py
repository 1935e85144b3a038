"""The champion of a registered model, and what another version must show to take its place."""

from __future__ import annotations

import json
from pathlib import Path

from app.tracking.clients import reached
from app.tracking.errors import TrackingError
from app.tracking.lookup import StoredRun, run_of_folder, stored_run
from app.tracking.names import require_model_name
from app.tracking.operations import register
from app.tracking.store import requested_store

CHAMPION, CHALLENGER = "champion", "challenger"
COMPARISON = "frugal.comparison."
"""Tag of a run, followed by the id of another run: JSON whose ``worse`` lists in what this run is clearly worse."""


def promote(wanted: str, name: str, tracking_uri: str | None = None) -> str:
    """Make a version of a registered model its champion, if it is not worse than the present one.

    The first version becomes champion at once. Any other gets the alias ``challenger`` until `frugal compare` has
    compared its run with the champion's.

    Args:
        wanted: The number of a version; or a finished run, as for `stored_run` or by its output folder, whose model is
            registered if it is not.
        name: Of the registered model; made if it is new.
        tracking_uri: As for `stored_run`.

    Returns:
        A sentence for the user.

    Raises:
        TrackingError: There is no such run or version, the run has no model, it was not compared with the champion,
            or it is worse.
        ValueError: MLflow cannot have a registered model of that name.
    """
    require_model_name(name)
    run = _run(wanted, name, tracking_uri)
    if run.status != "FINISHED":
        raise TrackingError(f"run {run.name} is {run.status}: only a FINISHED run can be promoted")
    if not run.model:
        raise TrackingError(f"run {run.name} has no model: promote a run that trained, not one that only evaluated")
    with reached(requested_store(tracking_uri), f"nothing in {name} was changed") as client:
        version = register(client, name, run.id, run.model)
        aliases = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
        if aliases.get(CHAMPION) == version:
            return f"version {version} ({run.name}) is the champion of {name} already"
        if CHAMPION in aliases:
            client.set_registered_model_alias(name, CHALLENGER, version)
            _require_no_worse(run, stored_run(f"models:/{name}@{CHAMPION}", tracking_uri), name, version)
            client.delete_registered_model_alias(name, CHALLENGER)
        client.set_registered_model_alias(name, CHAMPION, version)
    before = f", in place of version {aliases[CHAMPION]}" if CHAMPION in aliases else ""
    return f"version {version} ({run.name}) is now the champion of {name}{before}: models:/{name}@{CHAMPION}"


def _run(wanted: str, name: str, tracking_uri: str | None) -> StoredRun:
    if wanted.isdecimal():
        return stored_run(f"models:/{name}/{wanted}", tracking_uri)
    run = run_of_folder(Path(wanted))
    return stored_run(wanted if run is None else run.id, tracking_uri)


def _require_no_worse(run: StoredRun, champion: StoredRun, name: str, version: str) -> None:
    again = f"frugal promote {version} --name {name}"
    tag = run.tags.get(f"{COMPARISON}{champion.id}")
    if tag is None:
        raise TrackingError(
            f"version {version} of {name} ({run.name}) was not compared with the champion ({champion.name}). Run: "
            f"frugal compare models:/{name}@{CHAMPION} models:/{name}@{CHALLENGER}, then {again}"
        )
    worse = json.loads(tag)["worse"]
    if worse:
        raise TrackingError(
            f"version {version} of {name} ({run.name}) is worse than the champion ({champion.name}): "
            f"{'; '.join(worse)}. It stays {CHALLENGER}; promote a better one, or change the alias in MLflow's UI"
        )
