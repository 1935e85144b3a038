"""What workers are told about a config, and what results depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import app
from app.checking.model_records import record_path
from app.installed import find_file

_PLACES = ("output_dir", "dataset_dir", "prepared_dir", "bundle_root", "configuration")
"""Entries of a config that say where things lie."""


@dataclass(frozen=True)
class Settings:
    """A config with overrides, as it travels to workers, which keep what they make of it.

    Attributes:
        files: Config files, the bundle's own first.
        overrides: By id, in JSON.
    """

    files: tuple[str, ...]
    overrides: str

    @classmethod
    def of(cls, files: Sequence[Path], overrides: Mapping[str, object]) -> Settings:
        """Settings from what the command line gave.

        Raises:
            ValueError: An override is no plain value.
        """
        try:
            return cls(tuple(str(file.absolute()) for file in files), json.dumps(dict(overrides), sort_keys=True))
        except TypeError as error:
            raise ValueError(f"settings must be numbers, texts, lists or mappings ({error}).") from error

    def values(self) -> dict[str, object]:
        """The overrides."""
        values: dict[str, object] = json.loads(self.overrides)
        return values


def result_digest(config: Mapping[str, object], checkpoint: Path) -> str:
    """A digest of all that scores depend on beside the radiograph.

    That is: the merged config with the content of the files that it names, the weights with their record, and the
    versions of this package and of the libraries that decode and compute, with those that `app.engines.runtimes` may
    choose.

    Args:
        config: Merged, with what weights bring.
        checkpoint: The weights.
    """
    from app.prepared.transform_identity import digest, identity, versions

    runtimes = [version(name) for name in ("onnxruntime", "openvino") if find_spec(name)]
    kept = {key: value for key, value in config.items() if key not in _PLACES}
    return digest(
        [
            identity(_located(kept)),
            identity([checkpoint, record_path(checkpoint)]),
            versions(),
            runtimes,
            app.__version__,
        ]
    )


def _located(value: object) -> object:
    """A part of a config with the paths of files where they are."""
    if isinstance(value, Mapping):
        return {key: _located(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_located(each) for each in value]
    return str(find_file(value)) if isinstance(value, str) and len(value) < 1000 and "\0" not in value else value
