"""A forest plot as SVG: values of all models with their intervals, and the differences from the reference."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.comparing.comparison import Measured, Row
from app.pages import numbers
from app.pages.style import FOREST_STYLE, ROOT
from evaluation.cases import FindingResult, Interval

WIDTH = 1000
LEFT_PANEL = (210.0, 490.0)
RIGHT_PANEL = (550.0, 790.0)
NUMBERS = 990
LINE = 18
GAP = 12
TOP = 30


@dataclass(frozen=True)
class _Scale:
    """Values to horizontal places."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def forest_svg(measured: Measured, letters: Sequence[str], names: Sequence[str] = ()) -> str:
    """An ``<svg>`` element for a page, whose colours are variables of the page's style.

    Each block is a finding, each line in it a model; the reference has no line on the right. Rows without a value are
    left empty. Two findings or a hundred: the height grows with them.

    Args:
        measured: what was compared.
        letters: of the models, the reference first.
        names: of the models, written below the plot; empty where the page tells them.
    """
    blocks = _blocks(measured)
    bottom = TOP + sum(len(block) * LINE + LINE + GAP for block in blocks)
    height = bottom + 34 + len(names) * LINE
    left, right = _scales([row for block in blocks for row in block])
    parts = [
        _text(LEFT_PANEL[0], 16, measured.title, "head"),
        _text(RIGHT_PANEL[0], 16, _difference_words(letters), "head"),
    ]
    parts += _axis(left, bottom) + _axis(right, bottom)
    if right.low < 0 < right.high:
        parts.append(f'<line class="zero" x1="{right(0):.1f}" x2="{right(0):.1f}" y1="{TOP - 6}" y2="{bottom}"/>')
    y = float(TOP)
    for number, block in enumerate(blocks):
        size = len(block) * LINE + LINE + GAP
        if number % 2 == 0:
            parts.insert(0, f'<rect class="band" x="0" y="{y - 4:.1f}" width="{WIDTH}" height="{size}"/>')
        of = "findings" if block[0] in measured.macro else "cases"
        parts.append(_text(8, y + LINE / 2 + 4 + LINE - 3, _cases(block[0].reference, of), "quiet"))
        parts += _block(block, y, (left, right), letters)
        y += size
    for place, name in enumerate(names):
        parts.append(_text(8, bottom + 44 + place * LINE, f"{letters[place]}  {name}", "quiet"))
    label = html.escape(f"Forest plot: {measured.title}, and the difference of each model from {letters[0]}")
    return (
        f'<svg class="forest" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def forest_file(measured: Measured, letters: Sequence[str], names: Sequence[str]) -> str:
    """The plot as a whole SVG file, with its style; it follows the viewer's light or dark setting."""
    inner = forest_svg(measured, letters, names)
    start = '<svg xmlns="http://www.w3.org/2000/svg" class="forest"'
    body = inner.replace('<svg class="forest"', start, 1)
    end = body.index(">") + 1
    ground = f'<rect width="{WIDTH}" height="100%" style="fill:var(--paper)"/>'
    return f"{body[:end]}<style>{ROOT}{FOREST_STYLE}</style>{ground}{body[end:]}\n"


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most so many: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(place * step, 10) for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _blocks(measured: Measured) -> list[list[Row]]:
    blocks: dict[str, list[Row]] = {}
    for row in (*measured.rows, *measured.macro):
        blocks.setdefault(row.finding, []).append(row)
    return list(blocks.values())


def _scales(rows: list[Row]) -> tuple[_Scale, _Scale]:
    values = [limit for row in rows for side in (row.reference, row.result) for limit in _ends(side)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = max(0.02, 0.06 * (high - low))
    left = _Scale(max(0.0, low - room), min(1.0, high + room), *LEFT_PANEL)
    differences = [abs(limit) for row in rows for limit in _ends(row.difference)]
    reach = max(0.01, max(differences, default=0.0) * 1.08)
    return left, _Scale(-reach, reach, *RIGHT_PANEL)


def _ends(interval: Interval | FindingResult) -> list[float]:
    return [x for x in (interval.value, interval.lower, interval.upper) if not math.isnan(x)]


def _axis(scale: _Scale, y: float) -> list[str]:
    parts = [f'<line class="axis" x1="{scale.start}" x2="{scale.end}" y1="{y}" y2="{y}"/>']
    for tick in ticks(scale.low, scale.high):
        x = f"{scale(tick):.1f}"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 6}" y2="{y}"/>')
        label = f"{tick:g}" if scale.low >= 0 or tick == 0 else f"{tick:+g}".replace("-", "\N{MINUS SIGN}")
        parts.append(f'<text class="quiet" x="{x}" y="{y + 18}" text-anchor="middle">{label}</text>')
    return parts


def _block(block: list[Row], y: float, scales: tuple[_Scale, _Scale], letters: Sequence[str]) -> list[str]:
    left, right = scales
    first = block[0]
    middle = y + LINE / 2
    parts = [_text(8, middle + 4, _short(first.finding), "head")]
    lines = [(0, first.reference, None), *((row.model, row.result, row.difference) for row in block)]
    for model, result, difference in lines:
        parts.append(_text(LEFT_PANEL[0] - 18, middle + 4, letters[model], "quiet"))
        parts += _mark(left, result, model, middle)
        if difference is not None:
            parts += _mark(right, difference, model, middle)
            text = numbers.difference(difference).replace("-", "\N{MINUS SIGN}")
            parts.append(f'<text class="number" x="{NUMBERS}" y="{middle + 4:.1f}" text-anchor="end">{text}</text>')
        middle += LINE
    return parts


def _mark(scale: _Scale, interval: Interval | FindingResult, model: int, y: float) -> list[str]:
    """A line for the interval and a shape for the value; each model has a shape of its own, for print in grey."""
    if math.isnan(interval.value):
        return []
    parts = []
    if not math.isnan(interval.lower):
        parts.append(
            f'<line class="m{model}" x1="{scale(interval.lower):.1f}" x2="{scale(interval.upper):.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    x = scale(interval.value)
    shape = (
        f'<circle class="m{model}" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>',
        f'<rect class="m{model}" x="{x - 3.4:.1f}" y="{y - 3.4:.1f}" width="6.8" height="6.8"/>',
        f'<path class="m{model}" d="M{x:.1f} {y - 4.6:.1f}l4.6 4.6-4.6 4.6-4.6-4.6z"/>',
        f'<path class="m{model}" d="M{x:.1f} {y - 4.4:.1f}l4.4 7.6h-8.8z"/>',
    )
    return [*parts, shape[model % len(shape)]]


def _cases(result: FindingResult, of: str) -> str:
    return f"{result.present} present, {result.absent} absent" if result.absent else f"{result.present} {of}"


def _difference_words(letters: Sequence[str]) -> str:
    others = letters[1] if len(letters) == 2 else "each model"
    return f"Difference, {others} \N{MINUS SIGN} {letters[0]}"


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}\N{HORIZONTAL ELLIPSIS}"


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:.1f}">{html.escape(text)}</text>'
