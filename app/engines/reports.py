"""Further reports on a section: by study, by groups of findings, and against other label sets of its images."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.annotations.agreement import labels_by_image
from app.datalist.file import read_datalist
from app.datalist.item import Datalist
from app.datalist.stored_images import stem
from app.engines.measures import Metrics, images_and_patients, patient_index, score_metrics
from app.engines.outputs import Outputs, studies_of
from app.engines.record import ModelRecord
from app.files.image_names import last_parts
from app.findings import NOT_SAID, TUBES, UNCERTAIN, require_known
from evaluation.agreement import cohen_kappa

logger = logging.getLogger(__name__)

Samples = Sequence[Mapping[str, Any]]


class SectionReport(Protocol):
    """A report of a launch on a section, beside its metrics."""

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """Entries for ``metrics.json``, under a name of the report's own; empty if it does not apply."""


class StudyLevel:
    """All measures of scores by study: the highest score of its images; present if any of its labels is.

    Source: Irvin et al., "CheXpert", 2019, section 4.1. An image without a study is a study of its own. The highest of
    several scores is higher than a single one, so the thresholds are those that validation chose for studies, or those
    of images if it chose none.
    """

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``by_study``; empty if every study has a single image."""
        visited = [samples[i] for i in outputs.index]
        studies = studies_of(visited)
        if studies is None:
            return {}
        logit, label = studies.maximum(outputs.logit), studies.label(outputs.label)
        if not record.study_thresholds:
            logger.warning(
                "validation chose no thresholds of studies (in it every study had one image, or the record beside the "
                "weights is an earlier one): by_study has those of images, which call too many studies"
            )
        measures = score_metrics(logit, label, patient_index(visited)[studies.first], record.of_studies())
        about = {"studies": len(studies.name), "images": len(visited)}
        return {"by_study": measures | about | {"thresholds_of": "studies" if record.study_thresholds else "images"}}


class FindingGroups:
    """All measures of scores over some of the findings, with their mean: five of fourteen, or tubes and pathologies.

    Args:
        groups: Findings by name of the group.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self.groups = {name: tuple(findings) for name, findings in groups.items()}

    def require(self, findings: Sequence[str]) -> None:
        """Raise if a group is empty or holds findings other than these.

        Raises:
            ValueError: Names the group.
        """
        for name, chosen in self.groups.items():
            require_known(chosen, findings, f"findings of group {name!r}")
            if not chosen:
                raise ValueError(f"group {name!r} names no finding")

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``by_finding_group``: measures by group.

        Raises:
            ValueError: A group is empty or holds a finding that the network does not know.
        """
        self.require(record.findings)
        patient = patient_index(samples[i] for i in outputs.index)
        entries: Metrics = {}
        for name, findings in self.groups.items():
            columns = [record.findings.index(finding) for finding in findings]
            logit, label = outputs.logit[:, columns], outputs.label[:, columns]
            entries[name] = score_metrics(logit, label, patient, record.of_findings(columns))
        return {"by_finding_group": entries} if entries else {}


class LabelSets:
    """All measures of scores against other label sets of the same images, such as those of experts or of reports.

    Source: Cheplygina et al., "Augmenting Chest X-ray Datasets with Non-Expert Annotations", tables 1 and 2, and the
    kappa of Figs. 3 and 4. Images are matched by file name without suffix, those of RSNA by the ChestX-ray14 image that
    they are. Images and findings that a set lacks are unknown. A certainty above 0.5 counts as present, one below as
    absent, and 0.5 as uncertain.

    Args:
        files: A datalist by name of the label set; all of its sections are used. ``{"file": FILE, "source": SOURCE}``
            uses only the items of one source, such as PadChest's ``physician``.

    Raises:
        DatalistError: A file is missing or is not a datalist.
        ValueError: No item has the source; lists those that there are.
    """

    def __init__(self, files: Mapping[str, str | Path | Mapping[str, str]] | None = None) -> None:
        self.datalists = {name: _label_set(name, file) for name, file in (files or {}).items()}

    def __call__(self, outputs: Outputs, samples: Samples, record: ModelRecord) -> Metrics:
        """``label_sets``: by set all measures of scores, ``kappa`` with the section's own labels, and ``images``.

        Raises:
            ValueError: A set shares no image or no finding with the section.
        """
        visited = [samples[i] for i in outputs.index]
        patient = patient_index(visited)
        entries: Metrics = {}
        for name, datalist in self.datalists.items():
            labels = labels_by_image(datalist)
            label = _aligned(labels, datalist.findings, [_image(sample) for sample in visited], record.findings)
            images = int((label != NOT_SAID).any(axis=1).sum())
            if not images:
                raise ValueError(
                    f"label set {name!r} ({datalist.name}) has no label of {', '.join(record.findings)} for any image "
                    "of this section: images are matched by file name, findings by their names"
                )
            kappa = {f: _kappa(outputs.label[:, c], label[:, c], patient) for c, f in enumerate(record.findings)}
            measures = score_metrics(outputs.logit, label, patient, record)
            entries[name] = measures | {"kappa": kappa, "images": images}
        return {"label_sets": entries} if entries else {}


def tubes_and_pathologies(findings: Sequence[str]) -> dict[str, list[str]]:
    """Group findings into tubes and pathologies; empty if there is only one kind.

    Example:
        >>> tubes_and_pathologies(["Effusion", "Chest Drain"])
        {'tubes': ['Chest Drain'], 'pathologies': ['Effusion']}
    """
    tubes = [name for name in findings if name in TUBES]
    others = [name for name in findings if name not in TUBES]
    return {"tubes": tubes, "pathologies": others} if tubes and others else {}


def _label_set(name: str, file: str | Path | Mapping[str, str]) -> Datalist:
    if not isinstance(file, Mapping):
        return read_datalist(Path(file))
    if set(file) != {"file", "source"}:
        raise ValueError(f"label set {name!r}: must be FILE or {{file: FILE, source: SOURCE}}, not {dict(file)!r}")
    datalist, source = read_datalist(Path(file["file"])), file["source"]
    sources = sorted({item.source for item in datalist.items()})
    if source not in sources:
        raise ValueError(f"label set {name!r}: {file['file']} has items of {', '.join(sources)}, none of {source!r}")
    return datalist.filtered(lambda item: item.source == source)


def _aligned(
    labels: Mapping[str, Sequence[float]], known: Sequence[str], images: Sequence[str], findings: Sequence[str]
) -> np.ndarray:
    """Labels (N, C) of a set, in the order of the images and of the network's findings."""
    aligned = np.full((len(images), len(findings)), NOT_SAID, dtype=np.float32)
    columns = [(c, known.index(finding)) for c, finding in enumerate(findings) if finding in known]
    for row, image in enumerate(images):
        for c, column in columns if image in labels else ():
            aligned[row, c] = _decided(labels[image][column])
    return aligned


def _decided(value: float) -> float:
    if value < 0:
        return value
    return UNCERTAIN if value == 0.5 else float(value > 0.5)


def _kappa(own: np.ndarray, other: np.ndarray, patient: np.ndarray) -> Metrics:
    agreement = cohen_kappa(own, other, patient=patient)
    of_both = patient[(own >= 0) & (other >= 0)]
    return asdict(agreement.kappa) | images_and_patients(of_both) | {"name": agreement.name}


def _image(sample: Mapping[str, Any]) -> str:
    name = str(sample["attributes"].get("nih_image", sample["name"]))
    return stem(last_parts(name, 1))
