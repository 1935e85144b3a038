"""Areas inside and outside of subgroups, and findings recognised by their treatment.

Source of the latter: Jimenez-Sanchez et al., "Detecting shortcuts in medical images", 2023, and Cheplygina et al.,
"Augmenting chest X-ray datasets with non-expert annotations", 2025: a drain treats a pneumothorax that is known, so a
model that sees the drain need not see the pneumothorax.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluation.auc_tests import AucComparison, compare_areas
from evaluation.cases import (
    FindingResult,
    FloatArray,
    Interval,
    Labels,
    TextArray,
    as_numbers,
    checked_cases,
    checked_labels,
    require_dimensions,
)

UNKNOWN = "unknown"


@dataclass(frozen=True)
class SubgroupRow:
    """Area of a finding inside a group and outside it.

    Attributes:
        group: The value of the attribute, as text.
        inside: Area for the cases of the group.
        outside: Area for the cases known to be of another group.
        difference: inside - outside.
        p: Two-sided; correct it with ``holm`` over the rows that are looked at together.
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
        treated: Area for the present cases that show the treatment, against all absent cases.
        untreated: Area for those that do not, against the same absent cases.
        difference: treated - untreated.
        p: Two-sided.
        treatment: Area for telling treated from untreated cases without the finding; 0.5 if the score does not depend
            on the treatment.
        warning: A sentence if the treated are recognised better with confidence, else empty.
    """

    treated: FindingResult
    untreated: FindingResult
    difference: Interval
    p: float
    treatment: FindingResult
    warning: str


def group_names(group: ArrayLike) -> TextArray:
    """Values of an attribute (N,) as text; empty text, None and NaN become "unknown", 1.0 becomes "1".

    Example:
        >>> group_names(["AP", "", None]).tolist(), group_names([1.0, np.nan]).tolist()
        (['AP', 'unknown', 'unknown'], ['1', 'unknown'])
    """
    values = np.asarray(group)
    require_dimensions(values, 1, "group")
    if values.dtype.kind == "f":
        return np.array([UNKNOWN if value != value else f"{value:g}" for value in values.tolist()], dtype=np.str_)
    known = ["" if value is None else str(value) for value in values.tolist()]
    return np.array([UNKNOWN if name in ("", "nan") else name for name in known], dtype=np.str_)


def age_bands(age: ArrayLike, edges: tuple[int, ...] = (18, 40, 60, 80)) -> TextArray:
    """Names of bands for ages (N,) in years, numbers or text; NaN, "" and ages below 0 are "unknown".

    Example:
        >>> age_bands([17, 45, 90, np.nan]).tolist()
        ['0-17', '40-59', '80 and over', 'unknown']
    """
    ages = np.asarray(as_numbers(age), dtype=np.float64)
    names = [f"{low}-{high - 1}" for low, high in zip((0, *edges), edges, strict=False)]
    names += [f"{edges[-1]} and over", UNKNOWN]
    band = np.searchsorted(edges, np.nan_to_num(ages), side="right")
    return np.array(names, dtype=np.str_)[np.where(ages >= 0, band, len(names) - 1)]


def subgroup_areas(
    score: ArrayLike, label: ArrayLike, group: ArrayLike, patient: ArrayLike | None = None, level: float = 0.95
) -> tuple[SubgroupRow, ...]:
    """Area of one finding inside each group against outside it; cases of unknown group are in neither.

    Example:
        >>> score, label = np.arange(40) % 11, np.arange(40) % 3 == 0
        >>> rows = subgroup_areas(score, label, ["AP"] * 20 + ["PA"] * 20)
        >>> [(row.group, row.inside.present, round(row.inside.value, 2), round(row.p, 2)) for row in rows]
        [('AP', 7, 0.46, 0.79), ('PA', 7, 0.52, 0.79)]

    Args:
        score: (N,).
        label: (N,) 1 present, 0 absent, negative or NaN unknown.
        group: (N,) values of an attribute, such as view, sex, ``age_bands``, source, or whether a tube is present.
        patient: (N,) or None; patients with cases on both sides are then allowed for.
        level: Confidence.
    """
    values, labels = checked_cases(score, label, 1)
    names = group_names(group)
    if names.shape != values.shape:
        raise ValueError(f"groups have shape {names.shape}, but there are {len(values)} cases")
    truth, known = labels.numbers(), names != UNKNOWN
    rows = []
    for name in np.unique(names[known]).tolist():
        inside = names == name
        one, two = (np.where(chosen, truth, -1.0) for chosen in (inside, known & ~inside))
        result = _compared(values, one, two, patient, level)
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

    Example:
        >>> label, drain = np.arange(60) % 2, (np.arange(60) % 4 == 1).astype(int)
        >>> check_treatment(np.arange(60) % 7 + 9 * drain, label, drain).warning[:51]
        'the finding is recognised better where a tube is vi'

    Args:
        score: (N,).
        label: (N,) the finding: 1 present, 0 absent, negative or NaN unknown.
        treatment: (N,) the drain or tube: 1 visible, 0 not; a present case with another value (negative, NaN or "") is
            left out.
        names: Of finding and treatment in the warning.
        patient: (N,) or None; the cases of a patient are taken together.
    """
    values, labels = checked_cases(score, label, 1)
    tube = checked_labels(treatment)
    if tube.present.shape != values.shape:
        raise ValueError(f"treatments have shape {tube.present.shape}, but there are {len(values)} cases")
    treated, untreated = (Labels(labels.present & side, labels.absent) for side in (tube.present, tube.absent))
    without = Labels(labels.absent & tube.present, labels.absent & tube.absent).numbers()
    result = _compared(values, treated.numbers(), untreated.numbers(), patient)
    seen = _compared(values, without, without, patient).first
    warning = _warning(names, result.first, result.second, seen) if result.difference.lower > 0 else ""
    return TreatmentCheck(result.first, result.second, result.difference, result.p, seen, warning)


def _compared(
    score: FloatArray, first: FloatArray, second: FloatArray, patient: ArrayLike | None, level: float = 0.95
) -> AucComparison:
    """One score's areas for two sets of labels."""
    return compare_areas(np.stack([score, score], axis=1), np.stack([first, second], axis=1), patient, level)


def _warning(names: tuple[str, str], treated: FindingResult, untreated: FindingResult, seen: FindingResult) -> str:
    finding, tube = names
    text = (
        f"{finding} is recognised better where {tube} is visible (AUC {treated.value:.2f}, {treated.present} cases) "
        f"than where it is not (AUC {untreated.value:.2f}, {untreated.present} cases)."
    )
    if seen.lower > 0.5:
        text += f" Among cases without {finding} the score, too, is higher with {tube} (AUC {seen.value:.2f})."
    return f"{text} It may be recognised by its treatment: do not take this AUC for untreated patients."
