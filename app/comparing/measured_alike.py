"""Whether runs measured regions alike: on the same grid, against the same truth, with what a crop cut off or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.comparing.methods import Method
from app.comparing.run_files import CASES, METRICS, RunFiles

FACTS = ("grid", "truth", "cut_off")
"""Facts under ``regions`` of ``metrics.json`` that must not differ."""
STORED = "pixels of the stored radiographs"
INPUT = ("image_size", "preprocessing", "crop")
"""Beginnings of the settings that decide what a network sees of a radiograph."""


def measured_alike(methods: Sequence[Method], labels: Sequence[str]) -> tuple[str, list[str]]:
    """Why overlap and localisation of these runs must not be compared, and what else may matter.

    Returns:
        The reason, empty if they may be compared; and notes: other inputs, maps that were read differently, and
        methods that do not say how they measured regions.

    Raises:
        ValueError: A ``metrics.json`` or ``config.yaml`` is damaged.
    """
    runs = [(label, run) for method, label in zip(methods, labels, strict=True) for run in method.runs]
    facts = [(label, _facts(run)) for label, run in runs]
    inputs = _differing_inputs(methods, labels)
    problem = next(filter(None, (_differing(facts, fact) for fact in FACTS)), "")
    if not problem and inputs and any(each.get("grid", STORED) != STORED for _, each in facts):
        problem = f"measured on the networks' inputs, which differ ({inputs})"
    notes = [f"The networks saw other inputs ({inputs}); the differences between the models include that."] * bool(
        inputs
    )
    maps = _differing(facts, "map")
    if maps and not problem:
        notes.append(f"Maps were read differently: {maps}. The differences of regions include that.")
    silent = dict.fromkeys(label for (label, _), (_, known) in zip(runs, facts, strict=True) if not known)
    if silent and all(run.file(CASES) for _, run in runs):
        notes.append(
            f"How {', '.join(silent)} measured regions is not known, as {METRICS} does not say it: compare overlap and "
            "localisation only if all did so on the same pixels."
        )
    return problem, notes


def _facts(run: RunFiles) -> dict[str, str]:
    """What ``metrics.json`` says about the measuring of regions; empty if it says nothing."""
    regions = run.results().get("regions")
    return {str(key): str(value) for key, value in regions.items()} if isinstance(regions, dict) else {}


def _differing(facts: Iterable[tuple[str, dict[str, str]]], fact: str) -> str:
    """The values of a fact with the methods that have each; empty if there are not two."""
    methods: dict[str, dict[str, None]] = {}
    for label, each in facts:
        if fact in each:
            methods.setdefault(each[fact], {})[label] = None
    return "; ".join(f"{', '.join(of)}: {value}" for value, of in methods.items()) if len(methods) > 1 else ""


def _differing_inputs(methods: Sequence[Method], labels: Sequence[str]) -> str:
    """The settings of the networks' input that differ between methods whose settings are known."""
    settings = [(label, known) for method, label in zip(methods, labels, strict=True) if (known := method.settings())]
    names = sorted({name for _, known in settings for name in known if name.startswith(INPUT)})
    shown = []
    for name in names:
        values = {label: known.get(name, "not set") for label, known in settings}
        if len(set(values.values())) > 1:
            shown.append(f"{name}: " + ", ".join(f"{value} for {label}" for label, value in values.items()))
    return "; ".join(shown)
