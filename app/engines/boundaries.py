"""How far the boundaries of detected regions lie from outlined findings, in millimetres where the spacing is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.utils.enums import CommonKeys

from app.engines.evaluator import RadiographEvaluator
from app.engines.measures import Metrics, images_and_patients, patient_index, with_macros
from app.engines.outputs import Outputs
from app.engines.processes import over_ranks
from app.engines.record import ModelRecord
from evaluation.boundaries import boundary_distances
from evaluation.means import mean_interval
from transforms import restore_map
from transforms.read import radiograph_spacing

TOLERANCE = {"mm": 5.0, "share of the diagonal": 0.01}
"""Within which boundaries agree: in millimetres or, if no spacing is known, of the radiograph's diagonal."""


@dataclass(frozen=True)
class OutlinedCase:
    """One outlined finding of one radiograph.

    Attributes:
        index: Of the item in its section.
        finding: Number of the finding.
        in_mm: Whether the spacing is known; otherwise distances are in pixels.
        hausdorff: Within which 95% of each boundary lies of the other; infinite if nothing is detected.
        within: Share of both boundaries that lies within the tolerance of the other.
    """

    index: int
    finding: int
    in_mm: bool
    hausdorff: float
    within: float


class Boundaries:
    """Handler that measures outlined findings (masks, not boxes) on the pixels of the stored radiographs, as Dice is.

    It is a report of the pass that it was attached to, too.

    Args:
        record: Each finding's region is where its map reaches the threshold that Dice is measured at.
    """

    def __init__(self, record: ModelRecord) -> None:
        self.record = record
        self._cases: list[OutlinedCase] = []

    def attach(self, evaluator: RadiographEvaluator) -> None:
        """Measure in every iteration of ``evaluator``; nothing if it does not know the stored radiographs."""
        if evaluator.collected.truth is None:
            return
        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._measure)
        evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._gather)

    def __call__(self, outputs: Outputs, samples: Sequence[Mapping[str, Any]], record: ModelRecord) -> Metrics:
        """``hausdorff_95`` and ``normalised_surface_distance`` by finding; empty if nothing is outlined.

        If the spacing of some radiographs is known, only these count, and ``without_spacing`` is the number of others.
        Images in which nothing is detected have no finite distance: they are left out of ``hausdorff_95``, where
        ``missed`` counts them, and are 0 in ``normalised_surface_distance``.
        """
        entries: Metrics = {}
        is_known = any(case.in_mm for case in self._cases)
        unit = "mm" if is_known else "pixels"
        tolerance = {"tolerance_mm": TOLERANCE["mm"]} if is_known else {"tolerance": TOLERANCE["share of the diagonal"]}
        for number, name in enumerate(record.findings):
            outlined = [case for case in self._cases if case.finding == number]
            cases = [case for case in outlined if case.in_mm == is_known]
            if not cases:
                continue
            patient = patient_index([samples[case.index] for case in cases])
            distance = np.array([case.hausdorff if math.isfinite(case.hausdorff) else math.nan for case in cases])
            is_missed = np.isnan(distance)
            others = len(outlined) - len(cases)
            about: dict[str, Any] = {"unit": unit} | ({"without_spacing": others} if others else {})
            counts = images_and_patients(patient[~is_missed]) | {"missed": int(is_missed.sum())} | about
            entries.setdefault("hausdorff_95", {})[name] = (
                asdict(mean_interval(distance, patient, can_exceed_1=True)) | counts
            )
            within = asdict(mean_interval([case.within for case in cases], patient))
            counts = images_and_patients(patient) | about | tolerance
            entries.setdefault("normalised_surface_distance", {})[name] = within | counts
        return with_macros(entries)

    def _measure(self, engine: Engine) -> None:
        maps, batch = engine.state.output[CommonKeys.PRED].map, engine.state.batch
        samples = engine.dataset.samples
        for row, index in enumerate(batch["index"].tolist()):
            for finding in sorted({finding for finding, _ in samples[index].get("mask") or ()}):
                region, size = batch["region"][row].numpy(), tuple(batch["original_size"][row].tolist())
                truth = engine.collected.truth.of(index, finding, size).mask(size)
                if truth.any():
                    reading = engine.collected.reading
                    values = restore_map(reading.probability(maps[row, finding]), region, size, patches=reading.patches)
                    is_inside = values.numpy() >= np.float64(self.record.map_thresholds[finding])
                    self._cases.append(_case(index, finding, (is_inside, truth), str(samples[index]["image"])))

    def _gather(self) -> None:
        by_case = {(case.index, case.finding): case for part in over_ranks(self._cases) for case in part}
        self._cases = [by_case[key] for key in sorted(by_case)]


_spacing = cache(radiograph_spacing)


def _case(index: int, finding: int, regions: tuple[np.ndarray, np.ndarray], path: str) -> OutlinedCase:
    spacing = _spacing(path)
    distances = boundary_distances(*regions, spacing or (1.0, 1.0))
    tolerance = TOLERANCE["mm"] if spacing else TOLERANCE["share of the diagonal"] * math.hypot(*regions[0].shape)
    return OutlinedCase(index, finding, spacing is not None, distances.hausdorff(), distances.within(tolerance))
