"""Names and values in the form that MLflow takes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

LONGEST_NAME = 250
LONGEST_VALUE = 6000
"""Characters of a parameter's value (MLflow 2.8 and later)."""

_REFUSED = re.compile(r"[^\w.\- /]+")


def clean(name: str) -> str:
    """Replace what MLflow refuses in the name of a metric or parameter.

    Letters, digits, underscores, dots, dashes, spaces and single slashes stay; all else becomes an underscore.

    Raises:
        ValueError: nothing is left of the name.
    """
    parts = [part for part in _REFUSED.sub("_", name).split("/") if part not in ("", ".", "..")]
    cleaned = "/".join(parts)
    if not cleaned:
        raise ValueError(f"{name!r} is no name for a metric or parameter")
    if len(cleaned) > LONGEST_NAME:
        cleaned = f"{cleaned[: LONGEST_NAME - 9]}_{_digest(cleaned)[:8]}"
    return cleaned


def flatten(mapping: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Turn nested mappings into one level, keys joined by dots, values as text; lists and the like stay whole."""
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = as_text(value)
    return flat


def as_text(value: object) -> str:
    """A value in characters that every store takes: a file's name that is no UTF-8 comes with escapes, NUL too."""
    return str(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def shorten(value: str) -> str:
    """Cut a value to what MLflow takes, keeping it distinct from others by the digest of the whole."""
    if len(value) <= LONGEST_VALUE:
        return value
    end = f"... sha256:{_digest(value)}, whole in parameters.json"
    return value[: LONGEST_VALUE - len(end)] + end


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
