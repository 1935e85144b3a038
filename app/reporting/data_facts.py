"""What a run's record knows of its data, in sentences; empty if it does not know."""

from __future__ import annotations

from collections.abc import Callable

from app.datalist.item import SECTIONS
from app.pages.numbers import counted
from app.reporting.flow import Flow
from app.reporting.run_record import REPORT, RunRecord, as_dict


def _data(record: RunRecord) -> str:
    name, description = record.data.get("name"), record.data.get("description")
    if not name:
        return ""
    prints = f"fingerprint {record.data.get('fingerprint')}, of the split {record.data.get('split_fingerprint')}"
    about = f": {str(description).rstrip('.')}" if description else ""
    return f"{name}{about} ({prints})."


def _split(record: RunRecord) -> str:
    split = as_dict(record.provenance("split"))
    if "method" not in split:
        return ""
    given = split.get("shares")
    shares = f", shares {', '.join(map(str, given))}" if isinstance(given, list) else ""
    seed = f", seed {split['seed']}" if "seed" in split else ""
    return f"Split {split['method']}{shares}{seed}."


def _disjoint(record: RunRecord) -> str:
    if not record.sections:
        return ""
    return "By patient: a datalist with a patient in two sections is refused when it is opened."


def _labels(record: RunRecord) -> str:
    values = dict.fromkeys(
        v for about in record.sections.values() for v in as_dict(about.get("source")) if v != "unknown"
    )
    return f"Sources of the labels: {', '.join(values)}." if values else ""


def _annotation(record: RunRecord) -> str:
    parts = []
    for section, about in record.sections.items():
        counts = [as_dict(each) for each in as_dict(about.get("findings")).values()]
        boxes, masks = (sum(each.get(kind, 0) for each in counts) for kind in ("boxes", "masks"))
        parts.append(f"{boxes:,} boxes and {masks:,} masks in {section}")
    return f"Locations: {'; '.join(parts)}." if parts else ""


def _label_states(record: RunRecord) -> str:
    if not record.sections:
        return ""
    return "Labels are present, absent, uncertain or not said, or a certainty between 0 and 1."


def _views(record: RunRecord) -> str:
    counts: dict[str, int] = {}
    for about in record.sections.values():
        for view, count in as_dict(about.get("view")).items():
            counts[view] = counts.get(view, 0) + count
    return f"Views: {', '.join(f'{view} {count:,}' for view, count in counts.items())}." if counts else ""


def _sizes(record: RunRecord) -> str:
    parts = [
        f"{section} {counted(about['images'], 'image')} of {counted(about['patients'], 'patient')}"
        for section, about in record.sections.items()
        if section in SECTIONS
    ]
    return f"{'; '.join(parts).capitalize()}." if parts else ""


def _events(record: RunRecord) -> str:
    parts = []
    for section, about in record.sections.items():
        present = [f"{name} {each.get('present', 0):,}" for name, each in as_dict(about.get("findings")).items()]
        section = section[:1].upper() + section[1:]
        parts.append(f"{section}: {counted(about['images'], 'image')}, with {', '.join(present)}.")
    return " ".join(parts)


def _patients(record: RunRecord) -> str:
    return f"Age, sex, views and findings of each section: who the patients are, {REPORT}." if record.sections else ""


def _pseudonyms(record: RunRecord) -> str:
    if not record.provenance("fingerprint of the pseudonyms' key"):
        return ""
    return "Names of patients, studies and files were replaced by hashes with a secret key."


def _eligibility(flow: Flow) -> str:
    reasons = [f"{reason} ({n:,})" for step in flow.steps for reason, n in step.left_out.items() if n]
    return f"Left out, in this order: {'; '.join(reasons)}." if reasons else ""


def _flow(flow: Flow) -> str:
    if not flow.sections:
        return ""
    first = flow.steps[0]
    return f"{first.images:,} images {first.what}, {flow.measured.images:,} measured: flow of cases, {REPORT}."


def _test_size(flow: Flow) -> str:
    patients = flow.measured.patients or 0
    present = [f"{name} {counts['present_patients']:,}" for name, counts in flow.findings.items()]
    return f"{flow.measured.images:,} images of {patients:,} patients; patients with {', '.join(present)}."


DATA: dict[str, Callable[[RunRecord], str]] = {
    "data": _data,
    "split": _split,
    "disjoint": _disjoint,
    "labels": _labels,
    "annotation": _annotation,
    "label_states": _label_states,
    "views": _views,
    "sizes": _sizes,
    "events": _events,
    "patients": _patients,
    "pseudonyms": _pseudonyms,
}
"""By the name that checklists use."""
OF_FLOW: dict[str, Callable[[Flow], str]] = {
    "eligibility": _eligibility,
    "flow": _flow,
    "test_size": _test_size,
}
"""By the name that checklists use."""
