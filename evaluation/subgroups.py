"""Every measure by subgroup, areas inside against outside a group, and findings recognised by their treatment.

Source of the last: Jimenez-Sanchez et al., "Detecting shortcuts in medical images", 2023, and Cheplygina et al.,
"Augmenting chest X-ray datasets with non-expert annotations", 2025: a drain treats a pneumothorax that is known, so a
model that sees the drain need not see the pneumothorax.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from evaluation.auc_tests import compare_areas
from evaluation.cases import (
    BoolArray,
    FindingResult,
    FloatArray,
    Interval,
    TextArray,
    as_numbers,
    checked_cases,
    checked_labels,
    require_dimensions,
)

T = TypeVar("T")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class SubgroupRow:
    """Area of a finding inside a group and outside it.

    Attributes:
        group: the value of the attribute, as text.
        inside: cases of the group.
        outside: cases known to be of another group.
        difference: inside - outside.
        p: two-sided; correct it with ``holm`` over the rows that are looked at together.
    """

    group: str
    inside: FindingResult
    outside: FindingResult
    difference: Interval
    p: float


@dataclass(frozen=True)
class TreatmentCheck:
    """Whether a finding is recognised by its treatment.

    Attributes:
        treated: present cases that show the treatment, against all absent cases.
        untreated: present cases that do not, against the same absent cases.
        difference: treated - untreated.
        p: two-sided.
        treatment: area for telling treated from untreated among cases without the finding; 0.5 if the score does not
            look at the treatment.
        warning: plain words where the treated are recognised better with confidence, else empty.
    """

    treated: FindingResult
    untreated: FindingResult
    difference: Interval
    p: float
    treatment: FindingResult
    warning: str


def by_subgroup(
    measure: Callable[[FloatArray, FloatArray], T], score: ArrayLike, label: ArrayLike, group: ArrayLike
) -> dict[str, T]:
    """Any measure of scores and labels, taken in each group alone.

    Args:
        measure: such as ``auc_intervals`` or ``lambda s, y: operating_points(s, y, thresholds)``.
        score: (N, ...).
        label: (N, ...).
        group: (N,) values of an attribute; see ``group_names``.

    Returns:
        Name of the group to what the measure returns, in the order of names.
    """
    names = group_names(group)
    scores, labels = np.asarray(score, dtype=np.float64), np.asarray(label, dtype=np.float64)
    return {name: measure(scores[names == name], labels[names == name]) for name in np.unique(names).tolist()}


def group_names(group: ArrayLike) -> TextArray:
    """Values of an attribute (N,) as text; empty text, None and NaN become "unknown", 1.0 becomes "1"."""
    values = np.asarray(group)
    require_dimensions(values, 1, "group")
    if values.dtype.kind == "f":
        return np.array([UNKNOWN if value != value else f"{value:g}" for value in values.tolist()], dtype=np.str_)
    known = ["" if value is None else str(value) for value in values.tolist()]
    return np.array([UNKNOWN if name in ("", "nan") else name for name in known], dtype=np.str_)


def age_bands(age: ArrayLike, edges: tuple[int, ...] = (18, 40, 60, 80)) -> TextArray:
    """Ages (N,) in years, numbers or text, as names of bands, such as "40-59"; NaN, "" and below 0 are "unknown"."""
    ages = np.asarray(as_numbers(age), dtype=np.float64)
    lows, highs = (0, *edges), edges
    names = [f"{low}-{high - 1}" for low, high in zip(lows, highs, strict=False)] + [f"{edges[-1]} and over", UNKNOWN]
    place = np.searchsorted(edges, np.nan_to_num(ages), side="right")
    return np.array(names, dtype=np.str_)[np.where(ages >= 0, place, len(names) - 1)]


def subgroup_areas(
    score: ArrayLike, label: ArrayLike, group: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[SubgroupRow, ...]:
    """Area of one finding inside each group against outside it, one row a group; those of unknown group in neither.

    Args:
        score: (N,).
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        group: (N,) values of an attribute, such as view, sex, ``age_bands``, source, or whether a tube is present.
        patient: (N,) or None; patients with cases on both sides are then accounted for.
        level: confidence.
    """
    values, labels = checked_cases(score, label)
    require_dimensions(values, 1, "score")
    names = group_names(group)
    if names.shape != values.shape:
        raise ValueError(f"groups have shape {names.shape}, but there are {len(values)} cases")
    truth = np.where(labels.present, 1.0, np.where(labels.absent, 0.0, -1.0))
    known = names != UNKNOWN
    rows = []
    for name in np.unique(names[known]).tolist():
        inside = names == name
        pair = np.stack([_only(truth, inside), _only(truth, known & ~inside)], axis=1)
        result = compare_areas(np.stack([values, values], axis=1), pair, patient, level)
        rows.append(SubgroupRow(name, result.first, result.second, result.difference, result.p))
    return tuple(rows)


def check_treatment(
    score: ArrayLike,
    label: ArrayLike,
    treatment: ArrayLike,
    names: tuple[str, str] = ("the finding", "a tube"),
    patient: ArrayLike | None = None,
) -> TreatmentCheck:
    """Look for a finding that is recognised by its treatment.

    Args:
        score: (N,).
        label: (N,) the finding: 1 present, 0 absent, negative or NaN unknown.
        treatment: (N,) the drain or tube: 1 visible, 0 not, negative, NaN or "" unknown (a present case is then left
            out).
        names: how to call finding and treatment in the warning.
        patient: (N,) or None; cases of one patient are taken together.
    """
    values, labels = checked_cases(score, label)
    tube = checked_labels(treatment)
    if tube.present.shape != values.shape:
        raise ValueError(f"treatments have shape {tube.present.shape}, but there are {len(values)} cases")
    treated = np.where(labels.present & tube.present, 1.0, np.where(labels.absent, 0.0, -1.0))
    untreated = np.where(labels.present & tube.absent, 1.0, np.where(labels.absent, 0.0, -1.0))
    twice = np.stack([values, values], axis=1)
    result = compare_areas(twice, np.stack([treated, untreated], axis=1), patient)
    among = np.where(labels.absent & tube.present, 1.0, np.where(labels.absent & tube.absent, 0.0, -1.0))
    seen = compare_areas(twice, np.stack([among, among], axis=1), patient).first
    warning = _warning(names, result.first, result.second, seen) if result.difference.lower > 0 else ""
    return TreatmentCheck(result.first, result.second, result.difference, result.p, seen, warning)


def _only(label: FloatArray, kept: BoolArray) -> FloatArray:
    return np.where(kept, label, -1.0)


def _warning(names: tuple[str, str], treated: FindingResult, untreated: FindingResult, seen: FindingResult) -> str:
    finding, tube = names
    text = (
        f"{finding} is recognised better where {tube} is visible (AUC {treated.value:.2f}, {treated.present} cases) "
        f"than where it is not (AUC {untreated.value:.2f}, {untreated.present} cases)."
    )
    if seen.lower > 0.5:
        text += f" Among cases without {finding} the score, too, is higher with {tube} (AUC {seen.value:.2f})."
    return f"{text} It may be recognised by its treatment: do not take this AUC for untreated patients."
