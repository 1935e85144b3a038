"""What a launch reports on a section: its measures, tables and pictures, and the lines on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.checking.operating_points import threshold_rule
from app.engines.boundaries import Boundaries
from app.engines.calibration_results import write_decision_curves, write_reliability
from app.engines.call_measures import at_prevalence, missed
from app.engines.evaluator import RadiographEvaluator
from app.engines.free_response import FreeResponse
from app.engines.loading import excluded_count
from app.engines.maps import SaveMaps
from app.engines.measures import Metrics, metrics, patient_index
from app.engines.output_folder import LESIONS, REPORT
from app.engines.processes import bare, from_main, is_main
from app.engines.record import ModelRecord, threshold_facts
from app.engines.reports import SectionReport
from app.engines.results import logged, table, write_cases, write_lesions, write_metrics, write_scores
from app.engines.run_words import HEADLINES, NOTE, note
from app.engines.stages import stages_of
from app.findings import file_names
from app.phantoms.opened import OpenedData
from app.tracking import Run
from app.tracking.version_tags import command

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SectionResults:
    """What a launch reports on a section.

    Args:
        bundle: Name of the bundle.
        data: The opened datalist.
        folder: For ``metrics.json``, tables and maps.
        section: Name of the section.
        reports: Further measures.
        prevalence: How frequent findings are where the model is to be used, by finding; some or none.
        is_drawn: Whether pictures are drawn.
        has_maps: Whether maps are written.
    """

    bundle: str
    data: OpenedData
    folder: Path
    section: str
    reports: Sequence[SectionReport]
    prevalence: Mapping[str, float]
    is_drawn: bool
    has_maps: bool

    def report(
        self, run: Run, test: RadiographEvaluator, record: ModelRecord, excluded: Mapping[str, int], kind: str
    ) -> Metrics:
        """Evaluate the section, write and log its results, and return what ``metrics.json`` holds.

        Args:
            run: Logs them.
            test: The pass over the section.
            record: Its thresholds are applied.
            excluded: Files left out of other sections, by section.
            kind: ``training`` or ``evaluating``.
        """
        if self.has_maps:
            SaveMaps(self.folder / "maps", record.findings).attach(test)
        boundaries, marks = Boundaries(record), FreeResponse(record)
        boundaries.attach(test)
        marks.attach(test)
        test.collected.recalibration = record.recalibration
        test.run()
        # Every process has all outputs; one of them reports.
        result = from_main(self._write(run, test, record, excluded, (boundaries, marks)) if is_main() else {})
        run.tags({NOTE: note(kind, self.data.datalist.name, command(), result)})
        return result

    def _write(
        self,
        run: Run,
        test: RadiographEvaluator,
        record: ModelRecord,
        excluded: Mapping[str, int],
        watched: tuple[Boundaries, FreeResponse],
    ) -> Metrics:
        outputs, samples = test.outputs, test.dataset.samples
        excluded = {**excluded, self.section: excluded_count(test.dataset)}
        thresholds = threshold_facts(record, self.section, str(self.data.facts()["split_fingerprint"]))
        counts = {section: count for section, count in excluded.items() if count}
        about = {"section": self.section, "excluded": counts, "thresholds": thresholds}
        if "stopped" in record.training:
            about["training"] = record.training
        result = self._measured(test, record, about, [*watched, *self.reports])
        write_metrics(result, self.folder / "metrics.json")
        write_scores(outputs, samples, record.findings, self.folder / "predictions.csv")
        write_cases(outputs, samples, record, self.folder / "cases.csv")
        write_reliability(outputs, samples, record.findings, self.folder / "reliability.csv")
        write_decision_curves(outputs, samples, record.findings, self.folder / "decision_curve.csv")
        write_lesions(watched[1].lesions(samples), self.folder / LESIONS)
        values = logged(result, record.findings)
        main = {name: result[name]["macro"]["value"] for name in HEADLINES if "macro" in result.get(name, {})}
        run.metrics(main | {f"{self.section}/{name}": value for name, value in values.items()}, step=0)
        run.metrics({f"excluded/{section}": count for section, count in counts.items()}, step=0)
        for name in REPORT:
            if (self.folder / name).is_file():
                run.artifact(self.folder / name)
        if self.is_drawn:
            _draw(run, test, record)
        for line in self._lines(test, result):
            logger.info(line)
        if "warning" in thresholds:
            logger.warning(thresholds["warning"])
        logger.info(f"\nResults are in {self.folder}. To look at the run and compare it with others:")
        logger.info(f"    {run.open_hint}")
        return result

    def _measured(
        self,
        test: RadiographEvaluator,
        record: ModelRecord,
        about: Mapping[str, object],
        reports: Sequence[SectionReport],
    ) -> Metrics:
        """What ``metrics.json`` holds; ``about`` comes first."""
        outputs, samples = test.outputs, test.dataset.samples
        result: Metrics = {**about, "regions": test.collected.facts()} | metrics(outputs, samples, record)
        if record.operating_point:
            result["warnings"] += missed(result, threshold_rule(record.operating_point))
        for report in reports:
            result |= report(outputs, samples, record)
        for measures in (result, result.get("by_study", {})):
            measures |= at_prevalence(measures, self.prevalence)
        stages = stages_of(bare(test.network))
        if len(stages) == 1:
            result["crf"] = stages == {2}
        elif stages:
            logger.warning("only some of the ensemble's networks use their CRF")
        return result

    def _lines(self, test: RadiographEvaluator, result: Metrics) -> Iterator[str]:
        """What a user reads at the end of a launch: the table, and what was treated differently from the rest."""
        yield f"\n{self.bundle}, {self.section} section of {self.data.datalist.name}:\n{table(result)}"
        whole, doubtful = (len(getattr(test.dataset, name, [])) for name in ("lungs_not_found", "doubtful"))
        if whole:
            yield f"no lungs found in {whole} of {len(test.dataset)} images, which were used whole"
        if doubtful > whole:
            yield f"lungs in doubt in {doubtful - whole} of {len(test.dataset)} images, which got a wide margin"
        if "crf" in result:
            yield f"the CRF takes {'part' if result['crf'] else 'no part'} in these results"
        for name, count in result["excluded"].items():
            yield f"left out of the {name} section: {count} files that could not be read, each named at the start"


def _draw(run: Run, test: RadiographEvaluator, record: ModelRecord) -> None:
    """Log the pictures of a section: curves, distributions, calibration, and cases by finding."""
    # Not above: matplotlib is imported when something is drawn.
    from app.engines import calibration_pictures, case_pictures, pictures

    outputs, samples = test.outputs, test.dataset.samples
    patient = patient_index(samples[i] for i in outputs.index)
    run.figure(pictures.curves(outputs, record.findings), "pictures/curves.png")
    run.figure(pictures.distributions(outputs, record.findings), "pictures/score_distributions.png")
    for draw_curves in (calibration_pictures.reliability, calibration_pictures.decision_curves):
        run.figure(draw_curves(outputs, record.findings, patient), f"pictures/{draw_curves.__name__}.png")
    names = file_names(record.findings)
    for name, figure in case_pictures.cases(test, record):
        run.figure(figure, f"pictures/cases_{names[name]}.png")
