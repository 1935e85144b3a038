"""Marks of maps against lesions and normal images: FROC, AFROC (JAFROC) and LROC, with a bootstrap by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.engines.evaluator import RadiographEvaluator
from app.engines.located import StoredTruth, cell_edges
from app.engines.measures import Metrics, patient_index, with_macros
from app.engines.outputs import Outputs
from app.engines.processes import over_ranks
from app.engines.record import ModelRecord
from app.findings import ABSENT, NOT_SAID, PRESENT
from evaluation.cases import Interval
from evaluation.figures_of_merit import Units, bootstrap_areas, bootstrap_intervals
from evaluation.froc import Matches, bootstrap_froc, free_response_units
from evaluation.marks import TOUCHING, peaks
from evaluation.predictions import PredictionTable

RATES = (0.25, 0.5, 1.0, 2.0)
"""False marks an image at which sensitivity is reported."""
MOST_MARKS = 10
"""Marks of an image and finding that count: the highest."""
REACH = 16
"""A mark is the highest cell within a sixteenth of the map, or within one cell of a small map."""

UNKNOWN = (float(NOT_SAID), 0.0)


@dataclass(frozen=True)
class MarkedCase:
    """Marks for one finding on one radiograph, which has lesions or is normal.

    Attributes:
        item: Of the section.
        finding: Number of the finding.
        lesions: The highest mark on each lesion, as a logit; minus infinity if there is none.
        false: Marks on no lesion, the highest first.
    """

    item: int
    finding: int
    lesions: np.ndarray
    false: np.ndarray


class FreeResponse:
    """Handler that marks the peaks of maps, and a report of the pass that it was attached to.

    An image counts if the finding is outlined or boxed in it, or if it is absent. Each box, and each connected region
    of a mask, is a lesion. A mark hits a lesion if its place lies on it; marks outside the radiograph do not count.

    Args:
        record: Names of the findings.
    """

    def __init__(self, record: ModelRecord) -> None:
        self.record = record
        self._cases: list[MarkedCase] = []

    def attach(self, evaluator: RadiographEvaluator) -> None:
        """Mark in every iteration of ``evaluator``; nothing if it does not know the stored radiographs."""
        if evaluator.collected.truth is None:
            return
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._mark)
        evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._gather)

    def __call__(self, outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord) -> Metrics:
        """``lroc_area``, ``afroc_area``, ``weighted_afroc_area`` and ``froc_sensitivity`` by finding.

        Only findings with both lesions and normal images are measured; empty if there are none.
        """
        entries: Metrics = {}
        patient = patient_index(samples)
        for number, name in enumerate(record.findings):
            cases = self._of(number)
            if not cases:
                continue
            normal = [case.item for case in cases if not len(case.lesions)]
            lroc = _lroc_units(outputs, number, normal, patient)
            for (measure, *level), entry in _measures(cases, lroc, patient).items():
                entries.setdefault(measure, {})
                place = entries[measure].setdefault(level[0], {}) if level else entries[measure]
                place[name] = entry
        return with_macros(entries)

    def lesions(self, samples: Sequence[Mapping[str, Any]]) -> PredictionTable | None:
        """The lesions and normal images of AFROC, to compare runs on them; None if there are none.

        Lesions are present and named after image, finding and number; normal images are absent. Scores are logits of
        the highest mark on each, minus infinity if it has none.
        """
        by_finding = {name: cases for number, name in enumerate(self.record.findings) if (cases := self._of(number))}
        rows: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {}
        for name, cases in by_finding.items():
            for case in cases:
                image, patient = samples[case.item]["name"], samples[case.item]["patient"]
                units = {f"{image}, {name} {n}": (1.0, score) for n, score in enumerate(case.lesions.tolist(), start=1)}
                for unit, known in (units or {image: (0.0, float(case.false.max(initial=-np.inf)))}).items():
                    rows.setdefault(unit, (patient, {}))[1][name] = known
        if not rows:
            return None
        values = np.array([[by_name.get(name, UNKNOWN) for name in by_finding] for _, by_name in rows.values()])
        patients = np.array([patient for patient, _ in rows.values()])
        return PredictionTable(tuple(by_finding), np.array(list(rows)), patients, values[..., 0], values[..., 1])

    def _of(self, finding: int) -> list[MarkedCase]:
        """The cases of a finding; none unless some have lesions and some are normal."""
        cases = [case for case in self._cases if case.finding == finding]
        normal = sum(not len(case.lesions) for case in cases)
        return cases if 0 < normal < len(cases) else []

    def _mark(self, engine: Engine) -> None:
        batch, truth = engine.state.batch, engine.collected.truth
        maps = engine.state.output[CommonKeys.PRED].map.detach().double().cpu().numpy()
        label = engine.state.output[CommonKeys.LABEL].label.cpu().numpy()
        annotated = engine.state.output[CommonKeys.LABEL].annotated.bool().cpu().numpy()
        size = batch["original_size"].tolist()
        chosen = np.argwhere(annotated | (label == ABSENT))
        if not len(chosen):
            return
        values = np.array(
            [_seen(maps[row, finding], batch["region"][row].numpy(), size[row]) for row, finding in chosen]
        )
        region = batch["region"].numpy()[chosen[:, 0]]
        marks = peaks(values, region, -np.finfo(float).max, max(1, max(values.shape[1:]) // REACH))
        order = np.lexsort((-marks.score, marks.image))
        starts = np.searchsorted(marks.image[order], np.arange(len(chosen) + 1))
        for number, (row, finding) in enumerate(chosen.tolist()):
            own = order[starts[number] : starts[number + 1]][:MOST_MARKS]
            item, shape = int(batch["index"][row]), (int(size[row][0]), int(size[row][1]))
            on = _lesions_hit(truth, item, finding, shape, marks.x[own], marks.y[own])
            if len(on) or label[row, finding] != PRESENT:
                self._cases.append(_case(item, finding, on, marks.score[own]))

    def _gather(self) -> None:
        by_case = {(case.item, case.finding): case for part in over_ranks(self._cases) for case in part}
        self._cases = [by_case[key] for key in sorted(by_case)]


def _measures(cases: Sequence[MarkedCase], lroc: Units, patient: np.ndarray) -> dict[tuple[str, ...], Metrics]:
    """Entries of one finding by measure and, for FROC, by rate."""
    matches, owner = _matches(cases), patient[[case.item for case in cases]]
    has_lesion = np.isin(np.arange(len(cases)), matches.lesion_image)
    sides = [len(np.unique(owner[chosen])) for chosen in (has_lesion, ~has_lesion)]
    units = {
        "lroc_area": lroc,
        "afroc_area": free_response_units(matches, owner),
        "weighted_afroc_area": free_response_units(matches, owner, weighted=True),
    }
    intervals: dict[tuple[str, ...], Interval] = {}
    for measure, each in units.items():
        [intervals[(measure,)]] = bootstrap_intervals(bootstrap_areas(each), min(sides))
    found = bootstrap_intervals(bootstrap_froc(matches, RATES, owner), sides[0])
    for rate, interval in zip(RATES, found, strict=True):
        intervals["froc_sensitivity", f"{rate:g} false marks an image"] = interval
    counts = {"lesions": len(matches.lesion_score), "images": int(has_lesion.sum()), "patients": sides[0]}
    counts |= {"normal_images": int((~has_lesion).sum()), "normal_patients": sides[1]}
    return {path: asdict(interval) | counts for path, interval in intervals.items()}


def _case(item: int, finding: int, on: np.ndarray, score: np.ndarray) -> MarkedCase:
    """Marks with their scores (M,) and which of L lesions each is on (L, M)."""
    lesions = np.where(on, score, -np.inf).max(axis=1, initial=-np.inf)
    return MarkedCase(item, finding, lesions, score[~on.any(axis=0)] if len(on) else score)


def _seen(map: np.ndarray, region: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """A map (h, w) with minus infinity in cells that lie beyond the radiograph."""
    down, across = cell_edges(map.shape, region, (size[0], size[1]))
    return np.where(np.outer(np.diff(down) > 0, np.diff(across) > 0), map, -np.inf)


def _lesions_hit(
    truth: StoredTruth, item: int, finding: int, size: tuple[int, int], x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Which of M marks lie on each of L lesions: (L, M), L of 0 if the finding is nowhere."""
    boxes = truth.boxes(item, finding)
    if boxes is not None:
        left, top, width, height = boxes.T[..., None]
        return np.asarray((left <= x) & (x < left + width) & (top <= y) & (y < top + height))
    from scipy import ndimage

    number, count = ndimage.label(truth.of(item, finding, size).mask(size), TOUCHING[1])
    rows, columns = (np.clip(place.astype(int), 0, most - 1) for place, most in ((y, size[0]), (x, size[1])))
    return np.asarray(number[rows, columns] == np.arange(1, count + 1)[:, None])


def _matches(cases: Sequence[MarkedCase]) -> Matches:
    lesions, false = ([len(getattr(case, name)) for case in cases] for name in ("lesions", "false"))
    return Matches(
        lesion_score=np.concatenate([case.lesions for case in cases]),
        lesion_image=np.repeat(np.arange(len(cases)), lesions),
        false_score=np.concatenate([case.false for case in cases]),
        false_image=np.repeat(np.arange(len(cases)), false),
        images=len(cases),
    )


def _lroc_units(outputs: Outputs, finding: int, normal: list[int], patient: np.ndarray) -> Units:
    """Images with lesions against normal ones, by the score of the image; a wrong place scores minus infinity."""
    owner, logit = patient[outputs.index], outputs.logit[:, finding]
    overlaps = outputs.overlaps(finding, 0.0)
    score = np.where(overlaps.hit, logit[overlaps.rows], -np.inf)
    is_normal = np.isin(outputs.index, normal)
    present, weight = owner[overlaps.rows], np.ones(len(score))
    return Units(score[:, None], present, weight, logit[is_normal, None], owner[is_normal], int(patient.max()) + 1)
