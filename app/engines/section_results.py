"""What a launch tells about a section: its measures, its pictures, and the lines on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from app.checking.operating_points import threshold_rule
from app.engines.call_measures import at_prevalence, missed
from app.engines.evaluator import RadiographEvaluator
from app.engines.measures import Metrics, metrics, patient_index
from app.engines.processes import bare
from app.engines.record import ModelRecord
from app.engines.reports import SectionReport
from app.engines.results import table
from app.engines.stages import stages_of
from app.findings import file_names
from app.tracking import Run

logger = logging.getLogger(__name__)


def section_results(
    test: RadiographEvaluator,
    record: ModelRecord,
    about: Mapping[str, object],
    reports: Sequence[SectionReport],
    prevalence: Mapping[str, float],
) -> Metrics:
    """What ``metrics.json`` holds after a pass over a section.

    Args:
        test: After its pass.
        record: The thresholds that are applied.
        about: What comes first: the section, the files left out, where the thresholds come from.
        reports: Further measures.
        prevalence: How frequent findings are where the model is to be used, by finding; some or none.
    """
    outputs, samples = test.outputs, test.dataset.samples
    result: Metrics = {**about, "regions": test.collected.facts()} | metrics(outputs, samples, record)
    if record.operating_point:
        result["warnings"] += missed(result, threshold_rule(record.operating_point))
    for report in reports:
        result |= report(outputs, samples, record)
    for measures in (result, result.get("by_study", {})):
        measures |= at_prevalence(measures, prevalence)
    stages = stages_of(bare(test.network))
    if len(stages) == 1:
        result["crf"] = stages == {2}
    elif stages:
        logger.warning("only some of the ensemble's networks use their CRF")
    return result


def draw(run: Run, test: RadiographEvaluator, record: ModelRecord) -> None:
    """Log the pictures of a section: curves, distributions, calibration, and cases by finding."""
    # Not above: matplotlib is imported when something is drawn.
    from app.engines import calibration_pictures, case_pictures, pictures

    outputs, samples = test.outputs, test.dataset.samples
    patient = patient_index([samples[i] for i in outputs.index])
    run.figure(pictures.curves(outputs, record.findings), "pictures/curves.png")
    run.figure(pictures.distributions(outputs, record.findings), "pictures/score_distributions.png")
    for draw_curves in (calibration_pictures.reliability, calibration_pictures.decision_curves):
        run.figure(draw_curves(outputs, record.findings, patient), f"pictures/{draw_curves.__name__}.png")
    names = file_names(record.findings)
    for name, figure in case_pictures.cases(test, record):
        run.figure(figure, f"pictures/cases_{names[name]}.png")


def report_lines(bundle: str, data: str, test: RadiographEvaluator, result: Metrics) -> Iterator[str]:
    """What a user reads at the end of a launch: the table, and what was treated differently from the rest."""
    yield f"\n{bundle}, {result['section']} section of {data}:\n{table(result)}"
    whole, doubtful = (len(getattr(test.dataset, name, [])) for name in ("lungs_not_found", "doubtful"))
    if whole:
        yield f"no lungs found in {whole} of {len(test.dataset)} images, which were used whole"
    if doubtful > whole:
        yield f"lungs in doubt in {doubtful - whole} of {len(test.dataset)} images, which got a wide margin"
    if "crf" in result:
        yield f"the CRF takes {'part' if result['crf'] else 'no part'} in these results"
    for name, count in result["excluded"].items():
        yield f"left out of the {name} section: {count} files that could not be read, each named at the start"
