"""Further reports on a section: study by study, by groups of findings, and against other label sets of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.datalist.stored_images import stem
from app.engines.outputs import Outputs, studies_of
from app.engines.record import ModelRecord
from app.engines.results import Metrics, score_metrics
from app.files.image_names import last_parts
from app.findings import NOT_SAID, TUBES, UNCERTAIN, require_known
from evaluation.agreement import cohen_kappa
from evaluation.patients import patient_numbers

Samples = Sequence[Mapping[str, Any]]


class SectionReport(Protocol):
    """What a launch can be told to report beside its metrics."""

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """Entries for ``metrics.json``, under a name of the report's own; empty where it has nothing to say."""


class StudyLevel:
    """A study's score is the highest of its images' (views'); its label is present where any of them says so.

    Source: Irvin et al., "CheXpert", 2019, section 4.1. An image without the name of a study is a study of its own. The
    highest of several scores is higher than one, so thresholds are those that validation chose for studies; where it
    had none of several images, or the record is from before there were such, those of images.
    """

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``by_study`` with all measures of scores; nothing where every study has one image."""
        visited = [samples[i] for i in outputs.index]
        studies = studies_of(visited)
        if studies is None:
            return {}
        applied = record.of_studies()
        patient = _patients(visited)[studies.first]
        measures = score_metrics(studies.maximum(outputs.logit), studies.label(outputs.label), patient, applied)
        about = {"studies": len(studies.name), "images": len(visited)}
        return {"by_study": measures | about | {"thresholds_of": "studies" if record.study_thresholds else "images"}}


class FindingGroups:
    """All measures of scores over some of the findings, with their mean: five of fourteen, or tubes and pathologies.

    Args:
        groups: findings by name of the group.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self.groups = {name: tuple(findings) for name, findings in groups.items()}

    def require(self, findings: Sequence[str]) -> None:
        """Refuse groups of findings that are not those of the data, or of none.

        Raises:
            ValueError: names the group.
        """
        for name, chosen in self.groups.items():
            require_known(chosen, findings, f"findings of group {name!r}")
            if not chosen:
                raise ValueError(f"group {name!r} names no finding")

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``by_finding_group``: measures by group.

        Raises:
            ValueError: a group names a finding that the network does not know, or none.
        """
        self.require(record.findings)
        patient = _patients([samples[i] for i in outputs.index])
        entries: Metrics = {}
        for name, findings in self.groups.items():
            columns = [record.findings.index(finding) for finding in findings]
            part = replace(
                record,
                findings=findings,
                score_thresholds=tuple(record.score_thresholds[c] for c in columns),
                map_thresholds=tuple(record.map_thresholds[c] for c in columns),
                aggregate_thresholds=tuple(record.aggregate_thresholds[c] for c in columns),
                logit_thresholds=tuple(record.logit_thresholds[c] for c in columns),
                study_thresholds=(),
            )
            entries[name] = score_metrics(outputs.logit[:, columns], outputs.label[:, columns], patient, part)
        return {"by_finding_group": entries} if entries else {}


class LabelSets:
    """One model against several label sets of the same images: those of non-experts, of experts, of a report's reader.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", tables 1 and 2, and the
    kappa of Figs. 3 and 4. Images are matched by file name without suffix, those of RSNA by the ChestX-ray14 image that
    they are; images and findings that a set lacks are not said. A certainty above 0.5 counts as present, below it as
    absent, 0.5 as uncertain.

    Args:
        files: a datalist by name of the label set; all of its sections are looked at.

    Raises:
        DatalistError: a file is missing or no datalist.
    """

    def __init__(self, files: Mapping[str, str | Path] | None = None) -> None:
        from app.datalist.file import read_datalist

        self.datalists = {name: read_datalist(Path(path)) for name, path in (files or {}).items()}

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``label_sets``: by set all measures of scores, ``kappa`` with the section's own labels, and ``images``.

        Raises:
            ValueError: a set shares no image or no finding with the section.
        """
        from app.annotations.agreement import labels_by_image

        visited = [samples[i] for i in outputs.index]
        patient = _patients(visited)
        entries: Metrics = {}
        for name, datalist in self.datalists.items():
            said = labels_by_image(datalist)
            label = _aligned(said, datalist.findings, [_image(sample) for sample in visited], record.findings)
            images = int((label != NOT_SAID).any(axis=1).sum())
            if not images:
                raise ValueError(
                    f"label set {name!r} ({datalist.name}) says nothing of {', '.join(record.findings)} in any image "
                    "of this section: images are matched by file name, findings by their names"
                )
            measures = score_metrics(outputs.logit, label, patient, record)
            kappa = {
                finding: _kappa(outputs.label[:, c], label[:, c], patient) for c, finding in enumerate(record.findings)
            }
            entries[name] = measures | {"kappa": kappa, "images": images}
        return {"label_sets": entries} if entries else {}


def tubes_and_pathologies(findings: Sequence[str]) -> dict[str, list[str]]:
    """Groups of findings for a network that learns both: tubes, and all else; empty where there is one kind alone."""
    tubes = [name for name in findings if name in TUBES]
    others = [name for name in findings if name not in TUBES]
    return {"tubes": tubes, "pathologies": others} if tubes and others else {}


def _aligned(
    said: Mapping[str, Sequence[float]], known: Sequence[str], images: Sequence[str], findings: Sequence[str]
) -> np.ndarray:
    """Labels (N, C) of a set, in the order of the images and of the network's findings."""
    label = np.full((len(images), len(findings)), NOT_SAID, dtype=np.float32)
    columns = [(c, known.index(finding)) for c, finding in enumerate(findings) if finding in known]
    for row, image in enumerate(images):
        for c, theirs in columns if image in said else ():
            label[row, c] = _decided(said[image][theirs])
    return label


def _decided(value: float) -> float:
    if value < 0:
        return value
    return UNCERTAIN if value == 0.5 else float(value > 0.5)


def _kappa(own: np.ndarray, theirs: np.ndarray, patient: np.ndarray) -> Metrics:
    found = cohen_kappa(own, theirs, patient=patient)
    return asdict(found.kappa) | {"images": found.cases, "name": found.name}


def _image(sample: Mapping[str, Any]) -> str:
    name = str(sample["attributes"].get("nih_image", sample["name"]))
    return stem(last_parts(name, 1))


def _patients(visited: Samples) -> np.ndarray:
    return patient_numbers([sample["patient"] for sample in visited], len(visited))[1]
