"""The data of a workflow: an opened and checked datalist with its folder, or phantoms if none is named."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from app.datalist.characteristics import characteristics
from app.datalist.choosing import choose_findings
from app.datalist.file import read_datalist
from app.datalist.fingerprint import fingerprint, split_fingerprint
from app.datalist.item import SECTIONS, Datalist
from app.datalist.samples import samples
from app.datalist.validate import notes, validate
from app.findings import require_known

logger = logging.getLogger(__name__)


class OpenedData:
    """A datalist that passed every check, with its folder.

    Args:
        datalist: as read.
        path: of its file; the paths in it are relative to this file's folder.
    """

    def __init__(self, datalist: Datalist, path: Path) -> None:
        self.datalist = datalist
        self.path = path
        self._samples: dict[str, Sequence[dict[str, Any]]] = {}

    @property
    def findings(self) -> tuple[str, ...]:
        """Names, in the order of the labels."""
        return self.datalist.findings

    def samples(self, section: str) -> Sequence[dict[str, Any]]:
        """Dictionaries that transforms start from; see ``app.datalist.samples``."""
        if section not in self._samples:
            self._samples[section] = samples(self.datalist, section, self.path.parent)
        return self._samples[section]

    def labels(self, section: str) -> list[Sequence[float]]:
        """Labels of a section's items."""
        return [sample["label"] for sample in self.samples(section)]

    def facts(self) -> dict[str, object]:
        """Facts about the data that a run records: name, fingerprints, number of items, and provenance."""
        counts = {f"{section}_items": len(self.datalist.sections.get(section, [])) for section in SECTIONS}
        return {
            "name": self.datalist.name,
            "findings": ", ".join(self.findings),
            **self._fingerprints,
            **counts,
            **{f"provenance.{key}": value for key, value in self.datalist.provenance.items()},
        }

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {"fingerprint": fingerprint(self.datalist), "split_fingerprint": split_fingerprint(self.datalist)}

    def description(self) -> dict[str, object]:
        """What a run's record also tells of the data: its description, and who its patients are, as counts."""
        return {"description": self.datalist.description, "sections": characteristics(self.datalist)}


def open_data(
    datalist: str | Path | None,
    phantoms: Mapping[str, Any] | None = None,
    folder: str | Path = "data",
    findings: Sequence[str] | None = None,
) -> OpenedData:
    """Open and check a datalist; if none is named, make phantoms once and open theirs.

    Args:
        datalist: a datalist file, or None for phantoms.
        phantoms: arguments of ``write_phantoms`` for the default data: ``count``, ``seed``, ``size``, ``findings``.
        folder: Folder for phantoms, which get a subfolder named for their arguments.
        findings: those that are used, in this order, such as those of the weights to be evaluated; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        DatalistError: the datalist breaks a rule; every problem is named.
        ValueError: neither a datalist nor phantoms are given, or they lack one of the findings.
    """
    if datalist is None:
        if phantoms is None:
            raise ValueError("name a datalist: --datalist FILE")
        path = made_phantoms(phantoms, Path(folder))
    else:
        path = Path(datalist)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such datalist")
    opened = read_datalist(path)
    validate(opened, path.parent, files=datalist is not None, where=str(path))
    for note in notes(opened):
        logger.warning(f"{path}: {note}")
    if findings is not None:
        # MONAI's parser replaces each "#" of a name by "::".
        names = tuple(name.replace("::", "#") for name in findings)
        require_known(names, opened.findings, str(path))
        opened = opened if names == opened.findings else choose_findings(opened, names)
    return OpenedData(opened, path)


def made_phantoms(arguments: Mapping[str, Any], folder: Path) -> Path:
    """The datalist of phantoms with these arguments, which are made now if they are missing or incomplete.

    Raises:
        ValueError: the folder holds phantoms that another version drew.
    """
    from app.phantoms import write_phantoms

    findings = "-".join(name.lower().replace(" ", "_") for name in arguments.get("findings", ())) or "all"
    name = f"phantoms-{findings}-{arguments['count']}-{arguments['size']}-{arguments['seed']}"
    rest = {key: value for key, value in arguments.items() if key not in ("findings", "count", "size", "seed")}
    if rest:
        name += f"-{hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:8]}"
    return write_phantoms(folder / name, **arguments)
