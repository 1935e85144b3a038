"""Elements of a DICOM data set: those that pixels need must be readable, all others may be malformed."""

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
# It logs what it warns of, with values of elements, which may identify a person.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


class SideElementWarning(UserWarning):
    """An element that pixels do not need is malformed, and taken for unknown."""


_told: set[str] = set()
"""Kinds of malformed elements that this process has warned of."""


def log_once(caught: Iterable[warnings.WarningMessage], name: str) -> None:
    """Log each kind of malformed side element the first time that this process meets it.

    Args:
        caught: recorded warnings; those of other categories may quote a value, and are dropped.
        name: of the file.
    """
    for kind in dict.fromkeys(str(each.message) for each in caught if issubclass(each.category, SideElementWarning)):
        if kind not in _told:
            _told.add(kind)
            logger.warning("%s: %s (said once; other files may have it too)", name or "a DICOM file", kind)


def warn_of(keyword: str, problem: str = "cannot be read, and is taken for unknown") -> None:
    """Warn that a side element is malformed, without its value, which may identify a person."""
    warnings.warn(f"{keyword} {problem}", SideElementWarning, stacklevel=2)


def element(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - pydicom's values have every type
    """The value of an element that is needed; ``None`` where it is absent.

    Raises:
        RadiographError: its bytes are not a value of its type.
    """
    try:
        return dataset.get(keyword)
    except Exception as error:
        raise RadiographError(f"has a damaged {keyword} ({type(error).__name__})") from error


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a numeric element that is needed; empty where it is absent or empty.

    Raises:
        RadiographError: not finite numbers.
    """
    values = [_number(part) for part in _parts(element(dataset, keyword))]
    if not all(map(math.isfinite, values)):
        raise RadiographError(f"has a damaged {keyword}: not a finite number")
    return values


def side_element(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - pydicom's values have every type
    """The value of an element that pixels do not need; what pydicom cannot convert is given as its bytes say it."""
    try:
        return dataset.get(keyword)
    except Exception:
        raw = dataset.get_item(keyword)
        content = getattr(raw, "value", None)
        # Each value of text by itself: the first may be good where the second is not.
        return content.decode("ascii", "replace").split("\\") if isinstance(content, bytes) else "?"


def side_numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The values of a numeric element that pixels do not need; NaN for each that is no finite number."""
    values = [_number(part) for part in _parts(side_element(dataset, keyword))]
    if all(map(math.isfinite, values)):
        return values
    warn_of(keyword)
    return [value if math.isfinite(value) else math.nan for value in values]


def side_code(dataset: Dataset, keyword: str) -> str:
    """A coded string in upper case; empty where it is absent or no code, since free text could hold anything."""
    value = side_element(dataset, keyword)
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else ""


def side_sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence that pixels do not need; none where it is absent or no sequence."""
    value = side_element(dataset, keyword)
    if isinstance(value, Sequence):
        return list(value)
    if value:
        warn_of(keyword)
    return []


def photometric(dataset: Dataset) -> str:
    """The photometric interpretation, in upper case; empty where it is absent or no text."""
    value = element(dataset, "PhotometricInterpretation")
    return value.strip(" \0").upper() if isinstance(value, str) else ""


def _parts(value: Any) -> list[Any]:  # noqa: ANN401 - pydicom's values have every type
    """The single values of an element's value. Bytes are one value, and no number."""
    if value is None or isinstance(value, (str, bytes)):
        return [value] if value and not value.isspace() else []
    return list(value) if hasattr(value, "__iter__") else [value]


def _number(value: Any) -> float:  # noqa: ANN401 - pydicom's values have every type
    """A value as a number, NaN where it is none."""
    try:
        return math.nan if isinstance(value, (bytes, BaseTag)) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
