"""How the trainings of a sweep went, as a table: epochs, curves, and cells that were trained too little."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.pages import numbers
from app.pages.sparkline import sparkline
from app.sweeps.convergence import LEAST
from app.sweeps.curves import CellCurve
from app.sweeps.sweep import Sweep

UNDER_TRAINED = "under-trained"


def training_lines(sweep: Sweep, curves: Sequence[CellCurve]) -> list[str]:
    """A row a cell: its epochs, its curves, and whether it was still improving; then what to do about those."""
    if not curves:
        return []
    loss, metric = (_one([getattr(each, name) for each in curves]) for name in ("loss", "key_metric"))
    with_metric = any(each.key_metric != each.loss for each in curves)
    head = [*sweep.factors, "best epoch", loss, *([metric] if with_metric else []), "at the end"]
    rows = []
    for each in curves:
        shown = [_curve(each, each.loss), *([_curve(each, each.key_metric)] if with_metric else [])]
        rows.append([*each.cell.values.values(), _epochs(each), *shown, _end(each, sweep.replicate_word)])
    lines = numbers.markdown_table(head, rows)
    advice = under_trained_advice(curves)
    return [*lines, "", advice] if advice else lines


def under_trained_advice(curves: Sequence[CellCurve]) -> str:
    """Which cells were trained too little, and what to do; empty if there are none."""
    improving = [each for each in curves if each.improving()]
    if not improving:
        return ""
    longest = max(run.max_epochs for each in improving for run in each.runs)
    verb = "is" if len(improving) == 1 else "are"
    return (
        f"{len(improving)} of {numbers.counted(len(curves), 'cell')} {verb} {UNDER_TRAINED}: still improving when "
        "training ended. Differences from other cells may only say which of them learns faster. "
        f"Train all cells longer, such as `max_epochs: {2 * longest}` in place of {longest}, with "
        f"`patience: {max(LEAST, longest // 3)}`, so that those that have enough stop."
    )


def _epochs(curve: CellCurve) -> str:
    """``12 of 30``, or ``9 to 15 of 30``."""
    best, planned = [run.best for run in curve.runs], max(run.max_epochs for run in curve.runs)
    return f"{_range(best)} of {planned}"


def _end(curve: CellCurve, word: str) -> str:
    improving, stopped = curve.improving(), [run.epochs for run in curve.runs if run.stopped]
    if improving:
        return f"**{UNDER_TRAINED}**: {' and '.join(improving)} still improving"
    if stopped:
        which = "" if len(stopped) == len(curve.runs) else f" in {numbers.counted(len(stopped), word)}"
        return f"stopped after {_range(stopped)}{which}"
    return "" if max(run.epochs for run in curve.runs) >= LEAST else f"fewer than {LEAST} epochs: unknown"


def _curve(curve: CellCurve, name: str) -> str:
    """``▇▃▂▁ 0.693 to 0.214``: the mean over seeds or folds, with its first and last value."""
    values = curve.mean(name)
    defined = [value for value in values if not math.isnan(value)]
    ends = f" {numbers.value(defined[0])} to {numbers.value(defined[-1])}" if defined else ""
    return f"{sparkline(values)}{ends}"


def _range(values: Sequence[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _one(names: Sequence[str]) -> str:
    """The name of a column in words; if cells differ in it, of several."""
    return " or ".join(name.replace("_", " ") for name in dict.fromkeys(names))
