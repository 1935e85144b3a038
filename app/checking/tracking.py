"""Where runs would be recorded: whether MLflow could write there, judged by the form of the address alone."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from app.checking.ids import is_literal, walk
from app.checking.problem import Findings
from app.nearest import did_you_mean
from app.tracking.errors import TrackingError, without_credentials
from app.tracking.store import store_of

_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "databricks-uc", "uc")
_VARIABLE = "MLFLOW_TRACKING_URI"


def check_tracking(config: dict[str, object], findings: Findings) -> None:
    """Find addresses that MLflow cannot write to: in the environment, and under any key ``tracking_uri``."""
    if os.environ.get(_VARIABLE):
        problem = address_problem(str(os.environ[_VARIABLE]))
        if problem:
            findings.add(f"environment variable {_VARIABLE}", problem)
    for identifier, value in walk(config):
        if identifier.rpartition("#")[2] == "tracking_uri" and isinstance(value, str) and is_literal(value):
            problem = address_problem(value)
            if problem:
                findings.add(identifier, problem)


def address_problem(address: str) -> str:
    """What is wrong with the form of a tracking address; empty where nothing is."""
    try:
        store_of(address)
    except TrackingError as error:
        return str(error)
    parts = urlsplit(address.strip())
    scheme, shown = parts.scheme.split("+")[0], without_credentials(address.strip())
    if scheme and scheme not in _SCHEMES:
        known = ", ".join(f"{each}:" for each in _SCHEMES[:6])
        hint = did_you_mean(scheme, _SCHEMES)
        return f"tracking URI {shown!r}: no such kind of store {scheme!r}.{hint} There are {known}."
    if scheme in ("http", "https") and not parts.hostname:
        return f"tracking URI {shown!r} names no host: write {scheme}://host:5000."
    return ""
