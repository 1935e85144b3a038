"""Areas inside and outside of subgroups, and findings recognised by their treatment.

Differences are tested with a variance pooled under the null (``evaluation.group_tests``). If a group has fewer than
three patients with the finding, or without it, nothing is tested, and the row says so.

Source of the latter: Jimenez-Sanchez et al., "Detecting shortcuts in medical images", 2023, and Cheplygina et al.,
"Augmenting chest X-ray datasets with non-expert annotations", 2025: a drain treats a pneumothorax that is known, so a
model that sees the drain need not see the pneumothorax.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from evaluation.cases import (
    UNDEFINED,
    BoolArray,
    FindingResult,
    FloatArray,
    IntArray,
    Interval,
    Labels,
    TextArray,
    as_numbers,
    checked_cases,
    checked_labels,
    require_dimensions,
)
from evaluation.delong import area_covariance, auc_interval
from evaluation.distributions import correlated_difference
from evaluation.group_tests import LEAST_PATIENTS, difference_p, placed
from evaluation.patients import patient_numbers
from evaluation.permutation import holm
from evaluation.several_areas import AreaCovariance

UNKNOWN = "unknown"
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class SubgroupRow:
    """Area of a finding inside a group and outside it.

    Attributes:
        group: The value of the attribute, as text.
        inside: Area for the cases of the group.
        outside: Area for the cases known to be of another group.
        difference: inside - outside, with limits from those of both areas. They allow for groups that vary differently,
            while ``p`` takes them to be alike, so that with few cases one may include 0 where the other does not.
        p: Two-sided, NaN if not tested; correct it with ``holm`` over the rows that are looked at together.
        not_tested: Why there is no p-value; empty if there is one.
    """

    group: str
    inside: FindingResult
    outside: FindingResult
    difference: Interval
    p: float
    not_tested: str


@dataclass(frozen=True)
class TreatmentCheck:
    """Whether a finding is recognised by its treatment.

    Attributes:
        names: Of the finding and of the treatment.
        treated: Area for the present cases that show the treatment, against all absent cases.
        untreated: Area for those that do not, against the same absent cases.
        difference: treated - untreated; see ``SubgroupRow``.
        p: Two-sided; NaN if either has too few patients to be tested.
        p_holm: Corrected over the checks that were made together; see ``corrected``.
        treatment: Area for telling treated from untreated cases without the finding; 0.5 if the score does not depend
            on the treatment.
    """

    names: tuple[str, str]
    treated: FindingResult
    untreated: FindingResult
    difference: Interval
    p: float
    p_holm: float
    treatment: FindingResult

    @property
    def warning(self) -> str:
        """A sentence if the treated are recognised better (corrected p below 0.05), else empty."""
        return _warning(self) if self.p_holm < SIGNIFICANT and self.difference.value > 0 else ""


def group_names(group: ArrayLike) -> TextArray:
    """Values of an attribute (N,) as text; empty text, None and NaN become "unknown", 1.0 becomes "1".

    Example:
        >>> group_names(["AP", "", None]).tolist(), group_names([1.0, np.nan]).tolist()
        (['AP', 'unknown', 'unknown'], ['1', 'unknown'])
    """
    values = np.asarray(group)
    require_dimensions(values, 1, "group")
    if values.dtype.kind == "f":
        names = [UNKNOWN if value != value else np.format_float_positional(value, trim="-") for value in values]
        return np.array(names, dtype=np.str_)
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
    patients, number = patient_numbers(patient, len(values))
    owner = None if patient is None else number
    known = names != UNKNOWN
    rows = []
    for name in np.unique(names[known]).tolist():
        sides = names == name, known & (names != name)
        areas = _two_areas(values, [np.where(side, labels.numbers(), -1.0) for side in sides], owner)
        inside, outside = areas.result(0, level), areas.result(1, level)
        too_few = _too_few(inside, outside)
        p = math.nan if too_few else _p_of_groups(values, labels, sides, (patients, number))
        rows.append(SubgroupRow(name, inside, outside, _difference(areas, level), p, too_few))
    return tuple(rows)


def check_treatment(
    score: ArrayLike,
    label: ArrayLike,
    treatment: ArrayLike,
    names: tuple[str, str] = ("the finding", "a tube"),
    patient: ArrayLike | None = None,
) -> TreatmentCheck:
    """Look for a finding that is recognised by its treatment. If several are looked at, correct them together.

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
    patients, number = patient_numbers(patient, len(values))
    owner = None if patient is None else number
    chosen = labels.present & tube.present, labels.present & tube.absent
    without = Labels(labels.absent & tube.present, labels.absent & tube.absent).numbers()
    areas = _two_areas(values, [Labels(side, labels.absent).numbers() for side in chosen], owner)
    treated, untreated = areas.result(0), areas.result(1)
    p = math.nan
    if not _too_few(treated, untreated):
        absent = values[labels.absent]
        first, second = (placed(values, absent, side, number) for side in chosen)
        p = difference_p([(first, second)], patients)
    seen = auc_interval(values, without, owner)
    return TreatmentCheck(names, treated, untreated, _difference(areas), p, p, seen)


def corrected(checks: Sequence[TreatmentCheck]) -> tuple[TreatmentCheck, ...]:
    """Checks that are looked at together, such as those of all findings and treatments, with Holm's correction.

    Example:
        >>> label, drain = np.arange(60) % 2, (np.arange(60) % 4 == 1).astype(int)
        >>> check = check_treatment(np.arange(60) % 7 + 2 * drain, label, drain)
        >>> [round(each.p_holm / each.p, 1) for each in corrected([check] * 3)]
        [3.0, 3.0, 3.0]
    """
    adjusted = holm([check.p for check in checks]).tolist()
    return tuple(replace(check, p_holm=p) for check, p in zip(checks, adjusted, strict=True))


def untested(checks: Sequence[TreatmentCheck]) -> tuple[str, ...]:
    """A sentence for each treatment about the findings that were not tested, with the numbers of patients.

    Example:
        >>> [sentence] = untested([check_treatment([1, 2, 3], [1, 1, 0], [1, 0, 0], ("Nodule", "a tube"))])
        >>> sentence[-47:]
        'of each): Nodule (1 with, 1 without, 1 absent).'
    """
    by_treatment: dict[str, list[str]] = {}
    for check in checks:
        if math.isnan(check.p):
            counts = check.treated.present_patients, check.untreated.present_patients
            text = f"{check.names[0]} ({counts[0]} with, {counts[1]} without, {check.treated.absent_patients} absent)"
            by_treatment.setdefault(check.names[1], []).append(text)
    return tuple(
        f"Not tested for recognition by {treatment}, as too few patients have the finding with it, without it, or not "
        f"at all ({LEAST_PATIENTS} are needed of each): {', '.join(findings)}."
        for treatment, findings in by_treatment.items()
    )


def _two_areas(score: FloatArray, labels: Sequence[FloatArray], patient: IntArray | None) -> AreaCovariance:
    """One score's areas for two sets of labels."""
    return area_covariance(np.stack([score, score], axis=1), np.stack(labels, axis=1), patient)


def _too_few(first: FindingResult, second: FindingResult) -> str:
    """Why two groups are not tested; empty if they can be."""
    counts = {
        "present inside": first.present_patients,
        "absent inside": first.absent_patients,
        "present outside": second.present_patients,
        "absent outside": second.absent_patients,
    }
    few = [f"{count} {name}" for name, count in counts.items() if count < LEAST_PATIENTS]
    return f"not tested: {', '.join(few)}; {LEAST_PATIENTS} patients are needed" if few else ""


def _p_of_groups(
    score: FloatArray, labels: Labels, sides: tuple[BoolArray, BoolArray], patient: tuple[int, IntArray]
) -> float:
    """The test of cases inside against those outside, each placed among the other class of its own group."""
    patients, number = patient
    present, absent = [], []
    for side in sides:
        chosen, others = labels.present & side, labels.absent & side
        present.append(placed(score, score[others], chosen, number))
        absent.append(placed(score, score[chosen], others, number, above=False))
    return difference_p([(present[0], present[1]), (absent[0], absent[1])], patients)


def _difference(areas: AreaCovariance, level: float = 0.95) -> Interval:
    """The first area minus the second, with limits from theirs and from their correlation, within [-1, 1]."""
    one, two = areas.result(0, level), areas.result(1, level)
    if math.isnan(one.value - two.value):
        return UNDEFINED
    spread = math.sqrt(float(areas.covariance[0, 0]) * float(areas.covariance[1, 1]))
    correlation = float(areas.covariance[0, 1]) / spread if spread > 0 else 0.0
    limits = correlated_difference(one, two, correlation)
    return Interval(limits.value, max(limits.lower, -1.0), min(limits.upper, 1.0))


def _warning(check: TreatmentCheck) -> str:
    (finding, tube), treated, untreated = check.names, check.treated, check.untreated
    text = (
        f"{finding} is recognised better where {tube} is visible (AUC {treated.value:.2f}, {treated.present} cases) "
        f"than where it is not (AUC {untreated.value:.2f}, {untreated.present} cases)."
    )
    if check.treatment.lower > 0.5:
        text += (
            f" Among cases without {finding} the score, too, is higher with {tube} (AUC {check.treatment.value:.2f})."
        )
    return f"{text} It may be recognised by its treatment: do not take this AUC for untreated patients."
