"""The questions of ``frugal power``, turned into plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.sample_size.assumptions import CONFIDENCE, image_notes, pilot_facts, pilot_notes, shared_facts, stated_notes
from app.sample_size.pilot import Pilot
from app.sample_size.plan import Plan
from app.sample_size.request import Effect, Request, percent, shown
from evaluation.power import PlannedVariance, interval_width, power_above, power_of_difference, stated_variance
from evaluation.power_of_shares import power_of_noninferior_shares, power_of_shares


@dataclass(frozen=True)
class _Goal:
    """What a study of areas is for, and its measure: power, or the width of an interval, with so many patients."""

    aim: str
    measure: Callable[[PlannedVariance, int, int], float]
    target: float
    is_width: bool = False


def plan_difference(request: Request, source: Pilot | tuple[float, float], effect: Effect) -> Plan:
    """The areas of two models on the same cases.

    Args:
        request: What all questions share.
        source: A pilot of two runs, or the reference's area and the correlation of the two estimates.
        effect: What the study is to show.

    Raises:
        ValueError: The request cannot be planned for.
    """
    level = request.tested_level
    stated: dict[str, object] = {}
    if isinstance(source, Pilot):
        effect.refuse_observed(source.areas[1] - source.areas[0])
        variance = source.variance
    else:
        stated = {"auc": source[0], "correlation": source[1]}
        variance = stated_variance((source[0], source[0] + effect.true), source[1], request.formula)

    def power(of: PlannedVariance, present: int, absent: int) -> float:
        return power_of_difference(of.at(present, absent), effect.true, effect.margin, level)

    facts = {"question": "difference", **effect.facts(), **stated}
    return _plan(request, source, variance, _Goal(effect.aim("AUC", request), power, request.power), facts)


def plan_width(request: Request, source: Pilot | float, width: float) -> Plan:
    """The interval of one area, ``width`` wide; ``source`` is a pilot of one run, or the expected area.

    Raises:
        ValueError: The request cannot be planned for.
    """
    if not 0 < width < 1:
        raise ValueError(f"--width {width:g}: must be above 0 and below 1, on the scale of the AUC")
    level = request.tested_level
    area = source.areas[0] if isinstance(source, Pilot) else source
    variance = source.variance if isinstance(source, Pilot) else stated_variance((area,), of=request.formula)

    def measured(of: PlannedVariance, present: int, absent: int) -> float:
        return interval_width(area, of.at(present, absent), level)

    interval = f"a {percent(level)} interval of an AUC of {area:.3f}"
    aim = f"For {interval} that is at most {width:g} wide in half of such studies"
    facts: dict[str, object] = {"question": "area", "auc": area, "width": width}
    return _plan(request, source, variance, _Goal(aim, measured, width, is_width=True), facts)


def plan_above(request: Request, source: Pilot | float, area: float, above: float) -> Plan:
    """To show that an area exceeds a value.

    Args:
        request: What all questions share.
        source: A pilot of one run, whose variance is taken, or the expected area.
        area: The true area that is to be recognised as higher.
        above: The value, at least 0.5.

    Raises:
        ValueError: The request cannot be planned for.
    """
    if not 0.5 <= above < area < 1:
        raise ValueError(
            f"--above {above:g} with an AUC of {area:g}: the value must be at least 0.5 and below the AUC, and the AUC "
            "below 1"
        )
    level = request.tested_level
    if isinstance(source, Pilot):
        variance, null = source.variance, None
    else:
        # Just above 0.5, where the formula still is that of a test against chance.
        areas = area, max(above, 0.5 + 1e-9)
        variance, null = (stated_variance((each,), of=request.formula) for each in areas)

    def power(of: PlannedVariance, present: int, absent: int) -> float:
        at_null = of if null is None else null.times(request.design_effect)
        return power_above(of.at(present, absent), at_null.at(present, absent), area - above, level)

    aim = shown(f"that an AUC is above {above:g}, if it truly is {area:g}", request)
    facts: dict[str, object] = {"question": "area", "auc": area, "above": above}
    return _plan(request, source, variance, _Goal(aim, power, request.power), facts)


def plan_shares(request: Request, kind: str, rate: float, disagree: float, effect: Effect) -> Plan:
    """The sensitivities (or specificities) of two models on the same cases, by McNemar's exact test.

    Args:
        request: What all questions share.
        kind: ``sensitivity`` or ``specificity``.
        rate: Of the reference.
        disagree: Share of the cases in which only one of the models is right.
        effect: What the study is to show.

    Raises:
        ValueError: The request cannot be planned for.
    """
    _require_shares(kind, rate, disagree, effect.true)
    level, index = request.tested_level, ("sensitivity", "specificity").index(kind)
    shares = (disagree + effect.true) / 2, (disagree - effect.true) / 2

    def power(*patients: int) -> float:
        cases = patients[index] / request.design_effect
        if effect.margin is not None:
            return power_of_noninferior_shares(cases, *shares, effect.margin, level)
        return power_of_shares(int(cases), *shares, level)

    others = None
    if request.prevalence is not None:
        odds = (1 - request.prevalence) / request.prevalence
        others = (odds, 1 / odds)[index]
    facts = {"question": kind, "rate": rate, "disagree": disagree, **effect.facts(), **shared_facts(request)}
    counted = ("with", "without")[index]
    return Plan(
        effect.aim(kind, request), counted, others, power, None, request.power, False, facts, image_notes(request)
    )


def _require_shares(kind: str, rate: float, disagree: float, difference: float) -> None:
    new = rate + difference
    if not 0 < rate < 1 or not 0 < new < 1:
        raise ValueError(f"{kind} {rate:g} with a difference of {difference:g}: both must lie between 0 and 1")
    least, most = abs(difference), min(rate + new, 2 - rate - new)
    if not max(least, 1e-9) <= disagree <= most + 1e-9:
        raise ValueError(
            f"--disagree {disagree:g}: with a {kind} of {rate:g} and {new:g}, the share of cases in which only one "
            f"model is right must be above 0, at least {least:g} and at most {most:g}"
        )


def _plan(request: Request, source: object, variance: PlannedVariance, goal: _Goal, facts: dict[str, object]) -> Plan:
    """A plan for areas; ``source`` is a pilot, or what was stated."""
    cautious_at = None
    if isinstance(source, Pilot):
        prevalence = source.prevalence if request.prevalence is None else request.prevalence
        cautious_at = _measured(goal, variance.cautious(CONFIDENCE))
        notes, facts = pilot_notes(source, request), facts | {"pilot": pilot_facts(source)}
    elif request.prevalence is None:
        raise ValueError(
            "say by --prevalence which share of the patients has the finding, such as 0.5 for half of them"
        )
    else:
        prevalence, notes = request.prevalence, stated_notes(request)
        variance = variance.times(request.design_effect)
    facts |= shared_facts(request) | {"prevalence": prevalence}
    odds = (1 - prevalence) / prevalence
    at = _measured(goal, variance)
    return Plan(goal.aim, "with", odds, at, cautious_at, goal.target, goal.is_width, facts, notes)


def _measured(goal: _Goal, variance: PlannedVariance) -> Callable[[int, int], float]:
    return lambda present, absent: goal.measure(variance, present, absent)
