"""What a run left behind, read once: its predictions, metrics, data, settings and weights' record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.comparing.run_files import RunFiles
from app.datalist.item import FLOW
from app.files.own_json import read_record
from evaluation import PredictionTable, area_covariance, auc_intervals, macro_auc_interval, read_predictions

DATA = "data.json"
REPORT = "in the report"
"""Where a fact is told at length."""


@dataclass(frozen=True)
class RunRecord:
    """The record of a finished run. What is not known is empty.

    Attributes:
        files: Where it comes from.
        table: ``predictions.csv``.
        metrics: ``metrics.json``; without it, areas that are measured from the predictions.
        data: ``data.json``.
        model: ``model.json``.
        config: ``config.yaml`` as it is written, with expressions as text.
        settings: Plain settings.
    """

    files: RunFiles
    table: PredictionTable
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    config: Mapping[str, Any]
    settings: Mapping[str, str]

    @property
    def section(self) -> str:
        """The section that was measured, or empty."""
        return str(self.metrics.get("section", self.settings.get("section", "")))

    @property
    def workflow(self) -> str:
        """``training``, ``evaluating``, or empty."""
        return str(self.data.get("workflow") or self.tags.get("workflow", ""))

    @property
    def tags(self) -> Mapping[str, str]:
        """Of the run in MLflow; empty if none is known."""
        return self.files.run.tags if self.files.run else {}

    @cached_property
    def patients(self) -> int:
        """Patients among the cases that were measured."""
        return len(np.unique(self.table.patient))

    @property
    def sections(self) -> Mapping[str, Mapping[str, Any]]:
        """Numbers about the datalist's sections (``app.datalist.characteristics``)."""
        sections = {name: as_dict(about) for name, about in as_dict(self.data.get("sections")).items()}
        return {name: about for name, about in sections.items() if _has_counts(about, "images", "patients")}

    @property
    def unreadable(self) -> Mapping[str, int] | None:
        """Files that could not be read, by section, without sections that had none; None if the run does not say."""
        excluded = self.metrics.get("excluded")
        if not isinstance(excluded, dict) or not _has_counts(excluded, *excluded):
            return None
        return excluded

    @property
    def warnings(self) -> list[str]:
        """What the run warned of."""
        warnings = self.metrics.get("warnings")
        return [str(text) for text in warnings] if isinstance(warnings, list) else []

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """The flow in the datalist's provenance; empty if there is none in our form, as other programs write them."""
        steps = self.provenance(FLOW)
        if not isinstance(steps, list) or not all(_has_counts(as_dict(step), "images") for step in steps):
            return []
        lost = [as_dict(step.get("left_out")) for step in steps]
        return steps if all(_has_counts(each, *each) for each in lost) else []

    def provenance(self, name: str) -> Any:  # noqa: ANN401 - JSON
        """An entry of the datalist's provenance, or None."""
        return self.data.get(f"provenance.{name}")


def read_run(files: RunFiles) -> RunRecord:
    """Read everything.

    Raises:
        ValueError: A file of the run cannot be read.
    """
    table = read_predictions(files.predictions)
    return RunRecord(
        files=files,
        table=table,
        metrics=_record(files, "metrics.json", "the results of a run", "Evaluate the model again.") or _areas(table),
        data=_record(files, DATA, "facts about a run's data", "The report can do without."),
        model=_record(files, "model.json", "the record of a model", "The report can do without."),
        config=_config(files),
        settings=files.settings(),
    )


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _has_counts(entry: Mapping[str, Any], *names: str) -> bool:
    return all(type(entry.get(name)) is int for name in names)


def _record(files: RunFiles, name: str, what: str, remedy: str) -> dict[str, Any]:
    path = files.file(name)
    return {} if path is None else read_record(path, what, remedy)


def _config(files: RunFiles) -> dict[str, Any]:
    from app.checking.documents import read_document

    path = files.file("config.yaml")
    return {} if path is None else as_dict(read_document(path))


def _areas(table: PredictionTable) -> dict[str, Any]:
    areas = auc_intervals(table.rank, table.label, table.patient)
    entries = {name: asdict(area) for name, area in zip(table.findings, areas, strict=True)}
    macro = macro_auc_interval(area_covariance(table.rank, table.label, table.patient))
    return {"auc": entries | {"macro": asdict(macro)}}
