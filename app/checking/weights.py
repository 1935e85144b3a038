"""The settings that weights bring: what a training records of its config, and how another workflow takes it over.

A network means something only with the settings that it was trained with. They stand in ``model.json`` beside the
weights (``model.pt``); a workflow that evaluates or applies weights takes them from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from app.checking.ids import is_literal, reachable, references, value_at, walk
from app.checking.merged import MergedConfig
from app.checking.model_records import read_model_record, record_path
from app.checking.trust import is_trusted
from app.installed import bundle_names, find_file

PARTS = ("network_def", "preprocessing")
"""The parts of a config that make the network and the preparation of its input."""
_READING = ("sections#reading", "evaluator#reading")
"""How maps are read, in configs for training and for inference."""
_OF_MODEL = (*PARTS, *_READING)
_NOT_OF_THE_MODEL = ("data", "findings", "device", "configuration", "start_from")
_FILES = ("weights", "checkpoint", "_dir")
"""Ends of settings that name files."""
_NOTHING = object()
_SHOWN = 80


def trained_settings(merged: MergedConfig) -> dict[str, object]:
    """What decides the network, the preparation of its input and the reading of its maps, by id.

    That is: the plain settings that these parts of the config refer to, and everything in these parts that a later
    file or the command line set. Files are left out unless they were changed, as they lie elsewhere on other machines;
    so are those that a network starts from, as the weights replace them.

    Args:
        merged: the config of a training.
    """
    config = merged.config
    of_network, of_model = _reached(config, ("network_def",)), _reached(config, _OF_MODEL)
    result = {
        key: value for key, value in config.items() if key in of_model and not _names_file(key) and _is_plain(value)
    }
    for identifier in sorted(merged.changed):
        parents = _parents(identifier)
        if _names_file(identifier) and parents & of_network:
            continue
        if parents & of_model and not parents & result.keys():
            value = _value(config, identifier)
            if _is_writable(value):
                result[identifier] = value
    return result


def take_over(merged: MergedConfig, own: MergedConfig, run_id: str, trust: bool) -> None:
    """Put the settings of the weights that a workflow evaluates or applies into its config.

    An override that contradicts them is a problem, as is a record that cannot be read.

    Args:
        merged: the config; ``brought`` then holds what was changed in it.
        own: the config without what untrusted files set, which gets what a trusted record sets.
        run_id: the workflow.
        trust: whether all files are trusted.
    """
    checkpoints = _evaluated(merged.config, run_id)
    records = {}
    for checkpoint in checkpoints:
        try:
            records[checkpoint] = read_model_record(record_path(checkpoint))
            if not records[checkpoint]["settings"]:
                merged.problems.warn("checkpoint", _assumed(merged, checkpoint, "holds no settings"))
        except FileNotFoundError:
            if find_file(checkpoint).is_file():
                merged.problems.warn("checkpoint", _assumed(merged, checkpoint, "is missing"))
        except ValueError as error:
            merged.problems.add("checkpoint", str(error), "record")
    if records:
        _Settings(merged, own, trust).take_over(records)


class _Settings:
    """Puts records into a config.

    Args:
        merged: see `take_over`.
        own: see `take_over`.
        trust: see `take_over`.
    """

    def __init__(self, merged: MergedConfig, own: MergedConfig, trust: bool) -> None:
        self.merged = merged
        self.own = own
        self.trust = trust
        self.given = merged.changed

    def take_over(self, records: Mapping[Path, Mapping[str, Any]]) -> None:
        """Take over what the first record holds; others must agree with it."""
        (checkpoint, record), *others = records.items()
        for other, another in others:
            for name in ("bundle", "findings", "settings"):
                if another.get(name) != record.get(name):
                    text = f"{other} was trained with other {name} than {checkpoint}: they cannot be one model"
                    self.merged.problems.add("checkpoint", _difference(text, record.get(name), another.get(name)))
        if self._is_of_other_bundle(checkpoint, record.get("bundle")):
            return
        settings = {self._here(identifier): self._of_here(value) for identifier, value in record["settings"].items()}
        parts = {identifier: value for identifier, value in settings.items() if not _is_plain(value)}
        below = {identifier: value for identifier, value in settings.items() if "#" in identifier} | parts
        for these in (below, settings):  # a network may be another one, with settings of its own
            reached = _reached(self.merged.config, _OF_MODEL)
            for identifier in [each for each in these if _parents(each) & reached]:
                self._set(identifier, settings.pop(identifier), checkpoint)
        if "data" in self.merged.config:
            self._warn_of_unknown(settings, checkpoint)
        self._without_start()
        self._set_findings(record["findings"], checkpoint)
        self.merged.problems.facts.append(f"settings are those of {record_path(checkpoint)}")
        if "bundle" in record and record["settings"]:
            self._refuse_further(checkpoint, {self._here(identifier) for identifier in record["settings"]})

    def _set(self, identifier: str, value: object, checkpoint: Path, is_safe: bool = False) -> None:
        """Set a value unless the user has set another one."""
        given, current = self._given(identifier), _value(self.merged.config, identifier)
        if current == value:
            return
        if given:
            if not _names_file(identifier):
                name = "" if given[0] == identifier else f"{identifier} "
                self._contradicted(given[0], f"with {name}{_shown(value)}", checkpoint)
            return
        record = record_path(checkpoint)
        self.merged.set(identifier, deepcopy(value), str(record))
        self.merged.brought[identifier] = value
        if is_safe or self.trust or is_trusted(record):
            self.own.set(identifier, deepcopy(value), str(record))

    def _set_findings(self, findings: Sequence[str], checkpoint: Path) -> None:
        """The findings of a folder's radiographs are the network's, and of a datalist those are used."""
        odd = [name for name in findings if not is_literal(name)]
        if "findings" in self.merged.config and odd:
            text = f"{record_path(checkpoint)}: MONAI would not take the finding {odd[0]!r} for a name: rename it."
            self.merged.problems.add("checkpoint", text)
        elif "findings" in self.merged.config:
            self._set("findings", list(findings), checkpoint, is_safe=True)
        elif not odd and isinstance(self.merged.config.get("data"), dict):
            self._set("data#findings", list(findings), checkpoint, is_safe=True)

    def _warn_of_unknown(self, settings: Mapping[str, object], checkpoint: Path) -> None:
        """Warn of settings that this version of the bundle no longer has."""
        for identifier in [each for each in settings if each.split("#")[0] not in self.merged.config]:
            text = f"{record_path(checkpoint)}: {identifier} is no setting of this bundle, and is left out."
            self.merged.problems.warn("checkpoint", text)

    def _without_start(self) -> None:
        """The weights replace those that a network starts from, which need not be at hand."""
        for key in _reached(self.merged.config, ("network_def",)):
            if _names_file(key) and "#" not in key and self.merged.config.get(key) is not None and not self._given(key):
                for each in (self.merged, self.own):
                    each.set(key, None, each.problems.origins.get(key, ""))
                self.merged.brought[key] = None

    def _refuse_further(self, checkpoint: Path, recorded: set[str]) -> None:
        """Refuse changes in the parts of the model that the training did not have."""
        reached = _reached(self.merged.config, _OF_MODEL)
        for identifier in self.given:
            value = _value(self.merged.config, identifier)
            is_part = "#" in identifier or not _is_plain(value)
            is_recorded = any(_touch(identifier, each) for each in recorded)
            is_default = value == self.merged.defaults.get(identifier, _NOTHING)
            if (
                is_part
                and _parents(identifier) & reached
                and not (is_recorded or is_default or _names_file(identifier))
            ):
                self._contradicted(identifier, "without it", checkpoint)

    def _contradicted(self, identifier: str, trained: str, checkpoint: Path) -> None:
        given = _shown(_value(self.merged.config, identifier))
        text = f"{given}, but {checkpoint} was trained {trained} ({record_path(checkpoint)}): leave this setting out."
        self.merged.problems.add(identifier, text, "weights")

    def _is_of_other_bundle(self, checkpoint: Path, bundle: object) -> bool:
        """Whether weights of one of the project's bundles are given to another one."""
        first = Path(self.merged.first).absolute()
        here, names = first.parent.parent.name, bundle_names()
        if bundle == here or bundle not in names or here not in names:
            return False
        theirs = first.parents[2] / str(bundle) / "configs" / first.name
        text = f"{checkpoint} was trained by the bundle {bundle}, not {here}: use {theirs}."
        self.merged.problems.add("checkpoint", text, "weights")
        return True

    def _given(self, identifier: str) -> list[str]:
        """What the user set at an id, below or above it."""
        return [each for each in self.given if _touch(each, identifier)]

    def _here(self, identifier: str) -> str:
        """An id of a config for training in this config."""
        training, inference = _READING
        is_reading = identifier == training or identifier.startswith(f"{training}#")
        is_here = "sections" in self.merged.config or not is_reading
        return identifier if is_here else identifier.replace(training, inference, 1)

    def _of_here(self, value: object) -> object:
        """A value of a config for training in this config, which may have findings, but no data."""
        if "data" in self.merged.config:
            return value
        if isinstance(value, str):
            return value.replace("@data.findings", "@findings")
        if isinstance(value, dict):
            return {key: self._of_here(each) for key, each in value.items()}
        return [self._of_here(each) for each in value] if isinstance(value, list) else value


def _evaluated(config: Mapping[str, Any], run_id: str) -> list[Path]:
    """The weights that a workflow evaluates or applies."""
    if "checkpoint" not in reachable(config, ["initialize", run_id]):
        return []
    value = config.get("checkpoint")
    paths = value if isinstance(value, list) else [value]
    return [Path(each) for each in paths if isinstance(each, str) and each and is_literal(each)]


def _assumed(merged: MergedConfig, checkpoint: Path, why: str) -> str:
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in trained_settings(merged).items())
    return (
        f"{record_path(checkpoint)} {why}: {checkpoint} is taken to be trained with the settings of this config "
        f"({settings or 'none'})."
    )


def _reached(config: Mapping[str, Any], starts: Sequence[str]) -> set[str]:
    """The ids that some parts of a config consist of and refer to, whether they exist or not."""
    rest = {key: value for key, value in config.items() if key not in _NOT_OF_THE_MODEL}
    ids = reachable(rest, list(starts))
    named = {name for identifier in ids for name in references(_value(rest, identifier), identifier)}
    return ids | {name for name in named if name.split("#")[0] not in _NOT_OF_THE_MODEL}


def _parents(identifier: str) -> set[str]:
    """An id and all ids above it."""
    parts = identifier.split("#")
    return {"#".join(parts[:length]) for length in range(1, len(parts) + 1)}


def _touch(one: str, other: str) -> bool:
    """Whether one of two ids is the other one, or lies below it."""
    return one in _parents(other) or other in _parents(one)


def _value(config: object, identifier: str) -> Any:  # noqa: ANN401 - whatever stands there
    try:
        return value_at(config, identifier)
    except KeyError:
        return _NOTHING


def _names_file(identifier: str) -> bool:
    return identifier.endswith(_FILES)


def _is_plain(value: object) -> bool:
    """Whether a value holds no expression, reference or component."""
    nodes = [("", value), *walk(value)]
    return all(is_literal(each) for _, each in nodes) and "_target_" not in str(value) and _is_writable(value)


def _is_writable(value: object) -> bool:
    """Whether JSON can hold a value."""
    return all(
        each is None or isinstance(each, (str, int, float, bool, list, dict)) for _, each in [("", value), *walk(value)]
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _difference(text: str, one: object, other: object) -> str:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return f"{text} ({_shown(other)}, not {_shown(one)})."
    names = [name for name in {**one, **other} if one.get(name, _NOTHING) != other.get(name, _NOTHING)]
    pairs = (f"{name} {_shown(other.get(name))}, not {_shown(one.get(name))}" for name in names)
    return f"{text} ({'; '.join(pairs)})."
