"""What a run's record knows of its results, in sentences; empty if it does not know."""

from __future__ import annotations

from collections.abc import Callable

from app.reporting.gaps import called_findings
from app.reporting.groups import groups, treatments
from app.reporting.metric_tables import KINDS, headlines, measure_name, metric_values
from app.reporting.run_record import REPORT, RunRecord, as_dict


def _sources(record: RunRecord) -> str:
    return "Areas by source: under Subgroups in the report." if "source" in groups(record.table) else ""


def _prevalence(record: RunRecord) -> str:
    table = record.table
    parts = []
    for column, finding in enumerate(table.findings):
        present, absent = (int((table.label[:, column] == value).sum()) for value in (1, 0))
        if present + absent:
            parts.append(f"{finding} {present / (present + absent):.0%}")
    return f"Measured cases with the finding: {', '.join(parts)}."


def _alternatives(record: RunRecord) -> str:
    findings = record.table.findings
    return f"The other findings beside each: {', '.join(findings)}." if len(findings) > 1 else ""


def _treatment(record: RunRecord) -> str:
    visible = list(treatments(record.table))
    if not visible:
        return ""
    return f"Findings with and without {', '.join(visible)}: recognised by its treatment, {REPORT}."


def _subgroups(record: RunRecord) -> str:
    names = [name.replace("_", " ") for name in groups(record.table)]
    return f"Areas by {', '.join(names)}, each group against all others: under Subgroups {REPORT}." if names else ""


def _gaps(record: RunRecord) -> str:
    names = [name.replace("_", " ") for name in groups(record.table)] if called_findings(record) else []
    return f"Gaps of sensitivity and specificity by {', '.join(names)}: {REPORT}." if names else ""


def _performance(record: RunRecord) -> str:
    values = headlines(list(metric_values(record.metrics)))
    text = "; ".join(f"{name} {value} ({about})" for name, value, about in values)
    return f"On {record.section or 'the measured cases'}: {text}. By finding: {REPORT}." if text else ""


def _operating(record: RunRecord) -> str:
    parts = []
    for finding in record.table.findings:
        pair = [as_dict(as_dict(record.metrics.get(name)).get(finding)) for name in ("sensitivity", "specificity")]
        if all(isinstance(each.get("value"), float) for each in pair):
            shares = " and ".join(
                f"{name} {each['value']:.3f} [{each['lower']:.3f}, {each['upper']:.3f}]"
                for name, each in zip(("sensitivity", "specificity"), pair, strict=True)
            )
            parts.append(f"{finding}: {shares}")
    return f"{'. '.join(parts)}." if parts else ""


def _crosstab(record: RunRecord) -> str:
    return f"Called and not called against present and absent: {REPORT}." if "sensitivity" in record.metrics else ""


def _calibration(record: RunRecord) -> str:
    names = [measure_name(name) for name in KINDS["Calibration"] if name in record.metrics]
    return f"Calibration ({', '.join(names)}): {REPORT}." if names else ""


def _measures(record: RunRecord) -> str:
    names = dict.fromkeys(measure_name(v.path[0]) for v in metric_values(record.metrics) if len(v.path) == 2)
    return f"{'; '.join(names)}." if names else ""


def _intervals(record: RunRecord) -> str:
    return (
        "Intervals of 95%; the cases of a patient are taken together. Groups are tested against all others, with "
        "Holm's correction."
    )


def _missing(record: RunRecord) -> str:
    unread = ""
    if record.unreadable is not None:
        counts = [f"{count:,} in {section}" for section, count in record.unreadable.items()]
        unread = f"Files that could not be read and were left out: {', '.join(counts) or 'none'}. "
    return f"{unread}Images whose label is uncertain or not said are left out, finding by finding, and counted."


def _indeterminate(record: RunRecord) -> str:
    return "The network gives every image a score. Uncertain labels are left out, finding by finding, and counted."


def _failures(record: RunRecord) -> str:
    cases = [name for name in record.files.pictures() if name.startswith("cases_")]
    return f"Pictures of the best, typical and worst cases and of false alarms: {REPORT}." if cases else ""


def _maps(record: RunRecord) -> str:
    if not {"dice", "hit_rate"} & record.metrics.keys():
        return ""
    return f"The network's maps are held against annotated locations: Where it is, {REPORT}."


def _agreement(record: RunRecord) -> str:
    sets = as_dict(record.metrics.get("label_sets"))
    return f"Kappa with the label sets {', '.join(sets)}: {REPORT}." if sets else ""


def _warnings(record: RunRecord) -> str:
    thresholds = as_dict(record.metrics.get("thresholds"))
    texts = [*record.warnings, *([str(thresholds["warning"])] if "warning" in thresholds else [])]
    return f"Warnings of the run: {' '.join(texts)}" if texts else ""


RESULTS: dict[str, Callable[[RunRecord], str]] = {
    "sources": _sources,
    "prevalence": _prevalence,
    "alternatives": _alternatives,
    "treatment": _treatment,
    "subgroups": _subgroups,
    "gaps": _gaps,
    "performance": _performance,
    "operating": _operating,
    "crosstab": _crosstab,
    "calibration": _calibration,
    "measures": _measures,
    "intervals": _intervals,
    "missing": _missing,
    "indeterminate": _indeterminate,
    "failures": _failures,
    "maps": _maps,
    "agreement": _agreement,
    "warnings": _warnings,
}
"""By the name that checklists use."""
