"""What a run's record knows of its method: network, training, software; in sentences, empty if it does not know."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from app.pages.numbers import counted
from app.reporting.run_record import RunRecord, as_dict

PACKAGES = ("python", "torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom", "opencv-python-headless")
"""Of a run's tags ``frugal.NAME``."""
TRAINING = ("max_epochs", "batch_size", "accumulate", "learning_rate", "milestones", "seed", "precision")
"""Settings that describe a training, in any bundle."""


def _method(record: RunRecord) -> str:
    network = _target(record.config.get("network_def"))
    if not network:
        return ""
    bundle = record.model.get("bundle") or (record.files.run.experiment if record.files.run else "")
    return f"A neural network (deep learning): {network}{f', bundle {bundle}' if bundle else ''}."


def _outcome(record: RunRecord) -> str:
    return f"Presence of {', '.join(record.table.findings)} in a chest radiograph."


def _inputs(record: RunRecord) -> str:
    if not record.config.get("network_def"):
        return ""
    return "The network gets the pixels of one radiograph, and nothing else."


def _network(record: RunRecord) -> str:
    return _component(record, "network_def")


def _preprocessing(record: RunRecord) -> str:
    entry = as_dict(record.config.get("preprocessing"))
    steps = entry.get("transforms", [entry] if entry else [])
    names = [_described(record, step) for step in steps if isinstance(step, dict)]
    return f"In this order: {'; '.join(names)}." if names else ""


def _start(record: RunRecord) -> str:
    if record.workflow != "training" or "start_from" not in record.config:
        return ""
    start = record.config["start_from"]
    return "Not started from the weights of another training." if start is None else f"Started from {start}."


def _training(record: RunRecord) -> str:
    if record.workflow == "evaluating":
        return ""
    given = [f"{name} {record.config[name]}" for name in TRAINING if _is_plain(record.config.get(name))]
    parts = [_component(record, name) for name in ("loss", "optimizer", "scheduler")]
    augment = {_target(entry) for key, entry in _entries(record.config) if key == "augment"} - {""}
    parts += [f"Augmentation: {', '.join(sorted(augment))}."] if augment else []
    return " ".join([*(part for part in parts if part), *([f"Settings: {', '.join(given)}."] if given else [])])


def _imbalance(record: RunRecord) -> str:
    samplers = {_target(entry) for key, entry in _entries(record.config) if key == "sampler"} - {""}
    return f"Training images are drawn by {', '.join(sorted(samplers))}." if samplers else ""


def _selection(record: RunRecord) -> str:
    chosen = as_dict(record.model.get("validation"))
    epoch = chosen.get("epoch")
    if not isinstance(epoch, int):
        return ""
    measures = [f"{name} {value:.3f}" for name, value in chosen.items() if name != "epoch" and isinstance(value, float)]
    reached = f" ({', '.join(measures)})" if measures else ""
    stopped = as_dict(record.model.get("training")).get("stopped")
    early = f" Training stopped early: {stopped}." if stopped else ""
    return f"The weights of epoch {epoch} were kept, the best on the validation section{reached}.{early}"


def _ensemble(record: RunRecord) -> str:
    checkpoint = record.config.get("checkpoint")
    if record.workflow == "training":
        return "None: one network."
    if isinstance(checkpoint, list):
        return f"The mean probability of {len(checkpoint)} networks."
    return ""


def _thresholds(record: RunRecord) -> str:
    about = as_dict(record.metrics.get("thresholds"))
    chosen, purpose = about.get("chosen_on"), about.get("chosen_for")
    values = []
    for finding in record.table.findings:
        threshold = as_dict(as_dict(record.metrics.get("sensitivity")).get(finding)).get("threshold")
        if isinstance(threshold, float):
            values.append(f"{finding} {threshold:.3f}")
    where = f"Chosen beforehand on {chosen}{f', for {purpose}' if purpose else ''}. " if chosen else ""
    return f"{where}Scores from which a finding is called: {', '.join(values)}." if values else ""


def _internal(record: RunRecord) -> str:
    if record.workflow != "training" or not record.section:
        return ""
    return f"Measured on the {record.section} section of the datalist that it was trained on."


def _external(record: RunRecord) -> str:
    chosen = str(as_dict(record.metrics.get("thresholds")).get("chosen_on", ""))
    name = str(record.data.get("name", ""))
    if record.workflow != "evaluating" or not name or not chosen or chosen.endswith(f" of {name}"):
        return ""
    return f"Measured on {name}; the thresholds were chosen on {chosen}."


def _workflow(record: RunRecord) -> str:
    words = {"training": "Development, with an evaluation on held-out cases.", "evaluating": "Evaluation."}
    return words.get(record.workflow, "")


def _recalibration(record: RunRecord) -> str:
    forms, findings = record.model.get("recalibration"), record.model.get("findings")
    if not isinstance(forms, list) or not isinstance(findings, list):
        return ""
    pairs = zip(findings, forms, strict=False)
    methods = [f"{name} {form['method']}" for name, form in pairs if "method" in as_dict(form)]
    return f"Scores were recalibrated on validation, by finding: {', '.join(methods)}." if methods else ""


def _software(record: RunRecord) -> str:
    tags = record.tags
    own = [f"FrugalCXR {tags['frugal.version']}"] if "frugal.version" in tags else []
    versions = [f"{name} {tags[f'frugal.{name}']}" for name in PACKAGES if f"frugal.{name}" in tags]
    return f"{', '.join([*own, *versions])}." if own or versions else ""


def _code(record: RunRecord) -> str:
    tags = record.tags
    commit = tags.get("mlflow.source.git.commit")
    if "frugal.version" not in tags:
        return ""
    changed = " with changes" if tags.get("frugal.git_changed") == "yes" else ""
    return f"FrugalCXR {tags['frugal.version']}{f', commit {commit}{changed}' if commit else ''}, Apache License 2.0."


def _version(record: RunRecord) -> str:
    parts = [f"version {record.model['version']} of the bundle"] if record.model.get("version") else []
    run = record.files.run
    if run is not None:
        day = datetime.fromtimestamp(run.started, tz=UTC).strftime("%Y-%m-%d")
        took = "" if math.isnan(run.seconds) else f", {counted(round(run.seconds / 60), 'minute')}"
        parts.append(f"run {run.name} ({run.id}) of {day}{took}")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _details(record: RunRecord) -> str:
    return "All settings of the run: config.yaml, and under Run and settings in the report." if record.config else ""


def _stored(record: RunRecord) -> str:
    run = record.files.run
    where = f" and with run {run.id} in MLflow" if run is not None else ""
    return f"Every score is in predictions.csv, beside the run{where}."


METHOD: dict[str, Callable[[RunRecord], str]] = {
    "method": _method,
    "outcome": _outcome,
    "inputs": _inputs,
    "network": _network,
    "preprocessing": _preprocessing,
    "start": _start,
    "training": _training,
    "imbalance": _imbalance,
    "selection": _selection,
    "ensemble": _ensemble,
    "thresholds": _thresholds,
    "internal": _internal,
    "external": _external,
    "workflow": _workflow,
    "recalibration": _recalibration,
    "software": _software,
    "code": _code,
    "version": _version,
    "details": _details,
    "stored": _stored,
}
"""By the name that checklists use."""


def _component(record: RunRecord, name: str) -> str:
    entry = record.config.get(name)
    return f"{name.removesuffix('_def').capitalize()}: {_described(record, entry)}." if _target(entry) else ""


def _described(record: RunRecord, entry: Any) -> str:  # noqa: ANN401 - YAML
    """A component with its plain arguments: ``SEDenseNet (blocks [3, 6], growth 16)``."""
    arguments = []
    for name, value in as_dict(entry).items():
        known = record.config.get(value[1:]) if isinstance(value, str) and value.startswith("@") else value
        if name in ("_target_", "keys", "optimizer"):
            continue
        if _target(known):
            arguments.append(_described(record, known))
        elif isinstance(known, list) and known and all(_target(each) for each in known):
            arguments.append(", ".join(_described(record, each) for each in known))
        elif _is_plain(known):
            arguments.append(f"{name} {known}")
    return _target(entry) + (f" ({', '.join(arguments)})" if arguments else "")


def _target(entry: object) -> str:
    """The name of the class that an entry of a config makes, or empty."""
    return str(as_dict(entry).get("_target_", "")).rpartition(".")[2]


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of a config and of the mappings in it, with its value."""
    for key, value in config.items():
        yield key, value
        yield from _entries(as_dict(value))


def _is_plain(value: object) -> bool:
    """Whether a value is no expression, reference, path or component."""
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return isinstance(value, int | float) or (isinstance(value, str) and not value.startswith(("$", "@", "%", "/")))
