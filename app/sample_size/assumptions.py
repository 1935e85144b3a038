"""What the numbers of a plan rest on, in words and for JSON."""

from __future__ import annotations

from app.pages.numbers import counted
from app.sample_size.pilot import Pilot
from app.sample_size.request import OBSERVED, Request, percent

SMALL = 30
"""A pilot with fewer patients of a class is called small."""
CONFIDENCE = 0.8


def shared_facts(request: Request) -> dict[str, object]:
    """What every question states."""
    return {
        "wanted_power": request.power,
        "level": request.level,
        "tests": request.tests,
        "prevalence": request.prevalence,
        "design_effect": request.design_effect,
    }


def pilot_facts(pilot: Pilot) -> dict[str, object]:
    """What a pilot shows; the difference that it saw is left out, as nothing is planned by it."""
    return {
        "runs": list(pilot.words),
        "finding": pilot.finding,
        "auc": list(pilot.areas),
        "with_finding": pilot.with_finding,
        "without": pilot.without,
        "images": pilot.images,
        "design_effect": pilot.design_effect,
    }


def pilot_notes(pilot: Pilot, request: Request) -> tuple[str, ...]:
    """Whom the pilot has, how far it can be trusted, and what is not taken from it."""
    patients = pilot.with_finding + pilot.without
    areas = " and ".join(f"{area:.3f}" for area in pilot.areas)
    notes = [
        f"Pilot: {pilot.finding}, {pilot.with_finding:,} patients with and {pilot.without:,} without it, AUC {areas}.",
        f"Its {counted(pilot.images, 'image')} are {pilot.images / patients:.2g} a patient, which multiplies the "
        f"variance by {pilot.design_effect:.2f} as against images of different patients; plan for as many.",
        f"Cautious numbers take the upper limit of the pilot's variance ({CONFIDENCE:.0%}, one-sided; Browne 1995), as "
        "so few patients do not show it exactly.",
    ]
    if pilot.variance.evidence < SMALL:
        notes.append(f"The pilot has fewer than {SMALL} patients of a class: plan by the cautious numbers.")
    if len(pilot.words) > 1:
        notes.append(f"The difference that the pilot saw is not used: {OBSERVED}.")
    return (*notes, *_correction(request))


def stated_notes(request: Request) -> tuple[str, ...]:
    """What was assumed of areas instead of a pilot."""
    return (
        "Assumed without a pilot: a pilot (--pilot) shows the variance and how models agree.",
        *image_notes(request),
    )


def image_notes(request: Request) -> tuple[str, ...]:
    """What was assumed of the images of a patient, and the correction."""
    notes = []
    if request.design_effect == 1:
        notes.append(
            "One image a patient. With several, multiply by a design effect (--design-effect): 1 + (images - 1) x "
            "correlation within a patient."
        )
    return (*notes, *_correction(request))


def _correction(request: Request) -> list[str]:
    if request.tests == 1:
        return []
    return [
        f"Corrected for {request.tests} tests: {percent(1 - request.tested_level)} instead of "
        f"{percent(1 - request.level)}, as in the first step of Holm's method."
    ]
