"""Who made a result, and the unique identifiers that follow from it.

The same radiograph, weights and settings give the same identifiers, hence a result that is sent twice is stored once.
Other weights, thresholds or a newer version give new identifiers, hence a correction stands beside what it corrects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from app import __version__

MANUFACTURER = "FrugalCXR"
RESEARCH_ONLY = "for research use only"
_SEPARATOR = "\n"


@dataclass(frozen=True)
class Algorithm:
    """Weights with the settings that they are used with.

    Attributes:
        name: Of the bundle, such as ``nodule_detection``.
        version: Of the bundle; empty if unknown.
        weights: SHA-256 of the file of weights, in hexadecimal digits.
        settings: All that decides what is called and outlined: findings, thresholds, network and preparation.
    """

    name: str
    version: str
    weights: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits that differ if anything differs, also between releases of FrugalCXR."""
        return hashlib.sha256(json.dumps([asdict(self), __version__], sort_keys=True).encode()).hexdigest()

    @property
    def version_name(self) -> str:
        """Version of the bundle and the first digits of the weights, such as ``0.1.0 (9f8a0c2d)``."""
        return f"{self.version or 'unversioned'} ({self.weights[:8]})"

    @property
    def description(self) -> str:
        """For series and content, of at most 64 characters, as a value of VR LO may have."""
        ending = f": {RESEARCH_ONLY}"
        return f"{MANUFACTURER} {self.name}"[: 64 - len(ending)] + ending

    def uid(self, *parts: object) -> str:
        """The unique identifier of what ``parts`` name, below 2.25, the root of UUIDs (PS3.5, B.2).

        Args:
            parts: Such as the kind of an object and the identifier of the radiograph that it is about.

        Example:
            >>> first = Algorithm("nodule_detection", "0.1.0", "00" * 32)
            >>> len({first.uid("sr", "1.2.3"), first.uid("sr", "1.2.3"), first.uid("sr", "1.2.4")})
            2
        """
        digest = hashlib.sha256(_SEPARATOR.join([self.key, *map(str, parts)]).encode()).digest()
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def file_hash(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
