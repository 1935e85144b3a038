"""Where runs would be recorded: whether MLflow could write there, judged by the form of the address alone."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from app.checking.ids import is_literal, walk
from app.checking.problems import Problems
from app.nearest import did_you_mean

_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "databricks-uc", "uc")
_VARIABLE = "MLFLOW_TRACKING_URI"


def check_tracking(config: dict[str, object], problems: Problems) -> None:
    """Find addresses that MLflow cannot write to: in the environment, and of any key ``tracking_uri``."""
    address = os.environ.get(_VARIABLE)
    addresses = {f"environment variable {_VARIABLE}": address} if address else {}
    for identifier, value in walk(config):
        if identifier.rpartition("#")[2] == "tracking_uri" and isinstance(value, str) and is_literal(value):
            addresses[identifier] = value
    for place, address in addresses.items():
        problem = address_problem(address)
        if problem:
            problems.add(place, problem)


def address_problem(address: str) -> str:
    """What is wrong with the form of a tracking address; empty if nothing is.

    Example:
        >>> address_problem("http://")
        "tracking URI 'http://' names no host: write http://host:5000."
    """
    # Importing the package takes a tenth of a second, and most checks have no address.
    from app.tracking.errors import TrackingError, without_credentials
    from app.tracking.store import store_of

    try:
        store_of(address)
    except TrackingError as error:
        return str(error)
    parts = urlsplit(address.strip())
    scheme, shown = parts.scheme.split("+")[0], without_credentials(address.strip())
    if scheme and scheme not in _SCHEMES:
        known = ", ".join(f"{each}:" for each in _SCHEMES[:6])
        return f"tracking URI {shown!r}: unknown kind {scheme!r}.{did_you_mean(scheme, _SCHEMES)} Known are {known}."
    if scheme in ("http", "https") and not parts.hostname:
        return f"tracking URI {shown!r} names no host: write {scheme}://host:5000."
    return ""
