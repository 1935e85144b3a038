"""Names and values in the form that MLflow accepts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

LONGEST_NAME = 250
LONGEST_VALUE = 6000
"""Characters of a parameter's value (MLflow 2.8 and later)."""

_NOT_IN_MODELS = "/:@'\"%"
_REFUSED = re.compile(r"[^\w.\- /]+")


def clean(name: str) -> str:
    """Replace characters that MLflow refuses in the name of a metric or parameter by underscores.

    Letters, digits, underscores, dots, dashes, spaces and single slashes stay.

    Raises:
        ValueError: Nothing is left of the name.

    Example:
        >>> clean("auc (Nodule)")
        'auc _Nodule_'
    """
    parts = [part for part in _REFUSED.sub("_", name).split("/") if part not in ("", ".", "..")]
    cleaned = "/".join(parts)
    if not cleaned:
        raise ValueError(f"{name!r} is not a name for a metric or parameter")
    if len(cleaned) > LONGEST_NAME:
        cleaned = f"{cleaned[: LONGEST_NAME - 9]}_{_digest(cleaned)[:8]}"
    return cleaned


def flatten(mapping: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Turn nested mappings into one level, with dotted keys and values as text; lists stay whole.

    Example:
        >>> flatten({"optimizer": {"lr": 0.1, "betas": [0.9, 0.99]}})
        {'optimizer.lr': '0.1', 'optimizer.betas': '[0.9, 0.99]'}
    """
    flat: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = as_text(value)
    return flat


def as_text(value: object) -> str:
    """A value as text that every store accepts: bytes of file names that are not UTF-8, and NUL, are escaped."""
    return str(value).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def shorten(value: str) -> str:
    """Cut a value to the length that MLflow accepts; a digest keeps different values different."""
    if len(value) <= LONGEST_VALUE:
        return value
    end = f"... sha256:{_digest(value)}"
    return value[: LONGEST_VALUE - len(end)] + end


def require_model_name(name: str) -> None:
    """Raise unless MLflow can have a registered model of this name, and an address can hold it.

    Raises:
        ValueError: Names the characters that are not allowed.

    Example:
        >>> require_model_name("nodules-2024")
    """
    if not name.strip() or set(name) & set(_NOT_IN_MODELS):
        shown = " ".join(_NOT_IN_MODELS)
        raise ValueError(f"a registered model cannot be named {name!r}: use a name without the characters {shown}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
