"""Access to elements of a DICOM data set; those that pixels do not depend on may be malformed."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from transforms.errors import RadiographError

logger = logging.getLogger(__name__)
# pydicom logs its warnings with values of elements, which may identify a person.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class SideElementWarning(UserWarning):
    """An element that pixels do not depend on is malformed and counts as unknown."""


_told: set[str] = set()
"""Kinds of malformed elements that this process has already logged."""


def log_once(caught: Iterable[warnings.WarningMessage], name: str) -> None:
    """Log each kind of malformed element the first time it occurs in this process.

    Args:
        caught: Recorded warnings; those of other categories may quote a value and are dropped.
        name: Name of the file.
    """
    for kind in dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, SideElementWarning)):
        if kind not in _told:
            _told.add(kind)
            logger.warning("%s: %s (said once; other files may have it too)", name or "a DICOM file", kind)


def warn_of(keyword: str, problem: str = "cannot be read, and is taken for unknown") -> None:
    """Warn that an element is malformed, without its value, which may identify a person."""
    warnings.warn(f"{keyword} {problem}", SideElementWarning, stacklevel=2)


def element(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - pydicom's values have every type
    """The value of an element that pixels depend on; ``None`` if it is absent.

    Raises:
        RadiographError: Its bytes are not a value of its type.
    """
    try:
        return dataset.get(keyword)
    except Exception as error:
        raise RadiographError(f"has a damaged {keyword} ({type(error).__name__})") from error


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a numeric element that pixels depend on; empty if it is absent or empty.

    Raises:
        RadiographError: They are not finite numbers.
    """
    values = [_number(part) for part in _parts(element(dataset, keyword))]
    if not all(map(math.isfinite, values)):
        raise RadiographError(f"has a damaged {keyword}: not a finite number")
    return values


def side_element(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - pydicom's values have every type
    """The value of an element that pixels do not depend on; its text if pydicom cannot convert it."""
    try:
        return dataset.get(keyword)
    except Exception:
        raw = dataset.get_item(keyword)
        content = getattr(raw, "value", None)
        # Values are separated, because the first may be valid even if the second is not.
        return content.decode("ascii", "replace").split("\\") if isinstance(content, bytes) else "?"


def side_numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a numeric element that pixels do not depend on; NaN for values that are not finite numbers."""
    values = [_number(part) for part in _parts(side_element(dataset, keyword))]
    if all(map(math.isfinite, values)):
        return values
    warn_of(keyword)
    return [value if math.isfinite(value) else math.nan for value in values]


def side_code(dataset: Dataset, keyword: str) -> str:
    """A coded string in upper case; empty if it is absent or not a code, because free text may contain anything."""
    value = side_element(dataset, keyword)
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else ""


def side_sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence that pixels do not depend on; none if it is absent or not a sequence."""
    value = side_element(dataset, keyword)
    if isinstance(value, Sequence):
        return list(value)
    if value:
        warn_of(keyword)
    return []


def photometric(dataset: Dataset) -> str:
    """The photometric interpretation in upper case; empty if it is absent or not text."""
    value = element(dataset, "PhotometricInterpretation")
    return value.strip(" \0").upper() if isinstance(value, str) else ""


def _parts(value: Any) -> list[Any]:  # noqa: ANN401 - pydicom's values have every type
    """The values of an element as a list. Bytes are one value."""
    if value is None or isinstance(value, (str, bytes)):
        return [value] if value and not value.isspace() else []
    return list(value) if hasattr(value, "__iter__") else [value]


def _number(value: Any) -> float:  # noqa: ANN401 - pydicom's values have every type
    """A value as a number, or NaN."""
    try:
        return math.nan if isinstance(value, (bytes, BaseTag)) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
