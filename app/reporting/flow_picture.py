"""The flow of cases as a diagram in the manner of STARD's: boxes down the page, what left them to the right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from markupsafe import Markup

from app.pages.numbers import counted
from app.reporting.flow import Flow, Step

WIDTH, LEFT, BOX, SIDE = 860, 30, 330, 400
"""Of the picture; where boxes begin; how wide those of steps and of what left are, in pixels."""
LINE, PADDING, GAP = 17, 9, 22
LETTERS = 6.6
"""Width of a letter of 13 pixels, on average and rather too much."""
MOST_FINDINGS = 10

_SVG = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1b1f24">\n'
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#5b6470"/></marker></defs>\n'
    '<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
)
_BOX = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="4" fill="{}" stroke="#5b6470"/>')
_TEXT = Markup('<text x="{}" y="{}"{}>{}</text>')
_ARROW = Markup('<path d="{}" fill="none" stroke="#5b6470" marker-end="url(#arrow)"/>')


def flow_svg(flow: Flow) -> bytes:
    """The diagram as an SVG file; the same flow always gives the same bytes."""
    drawing = _Drawing()
    middle = LEFT + BOX / 2
    y = 14.0
    for index, step in enumerate(flow.steps):
        if index:
            y = _leaving(drawing, step, middle, y)
        y = drawing.box(LEFT, y, BOX, [_sized(step)], "#fff")
    if flow.sections:
        y = _sections(drawing, flow, middle, y)
    else:
        y = _leaving(drawing, flow.measured, middle, y) if flow.steps else y
    bottom = drawing.box(LEFT, y, WIDTH - 2 * LEFT, [_sized(flow.measured), *_finding_lines(flow)], "#eaf2fa")
    return _SVG.format(width=WIDTH, height=round(bottom + 14), body=Markup("\n").join(drawing.parts)).encode()


class _Drawing:
    """Boxes and arrows drawn so far."""

    def __init__(self) -> None:
        self.parts: list[Markup] = []

    def box(self, x: float, y: float, width: float, lines: Sequence[str], fill: str) -> float:
        """Draw a box around lines, the first of them bold, and return where it ends."""
        wrapped = [(part, not n) for n, line in enumerate(lines) for part in _wrapped(line, width)]
        height = PADDING * 2 + LINE * len(wrapped)
        self.parts.append(_BOX.format(f"{x:g}", f"{y:g}", f"{width:g}", f"{height:g}", fill))
        for n, (text, is_bold) in enumerate(wrapped):
            weight = Markup(' font-weight="bold"') if is_bold else ""
            self.parts.append(_TEXT.format(f"{x + PADDING:g}", f"{y + PADDING + LINE * (n + 0.78):g}", weight, text))
        return y + height

    def arrow(self, *points: tuple[float, float]) -> None:
        """Draw an arrow along points."""
        path = "L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(_ARROW.format(f"M{path}"))


def _leaving(drawing: _Drawing, step: Step, middle: float, y: float) -> float:
    """Draw what a step leaves out to the right of an arrow down, and return where the arrow ends."""
    lost = [f"{reason}: {count:,}" for reason, count in step.left_out.items() if count]
    if not lost:
        drawing.arrow((middle, y), (middle, y + GAP))
        return y + GAP
    x, top = WIDTH - LEFT - SIDE, y + GAP / 2
    bottom = drawing.box(x, top, SIDE, [f"Left out: {sum(step.left_out.values()):,} images", *lost], "#f6f7f9")
    end = bottom + GAP / 2
    drawing.arrow((middle, (top + bottom) / 2), (x, (top + bottom) / 2))
    drawing.arrow((middle, y), (middle, end))
    return end


def _sections(drawing: _Drawing, flow: Flow, middle: float, y: float) -> float:
    """Draw the sections side by side, and an arrow from the measured one; return where it ends."""
    count = len(flow.sections)
    width = (WIDTH - 2 * LEFT - GAP * (count - 1)) / count
    starts = [LEFT + n * (width + GAP) for n in range(count)]
    top, ends = y + 2 * GAP, []
    for x, section in zip(starts, flow.sections, strict=True):
        if flow.steps:
            drawing.arrow((middle, y), (middle, y + GAP), (x + width / 2, y + GAP), (x + width / 2, top))
        is_measured = section.name in flow.measured.what
        lines = [_sized(section.listed)]
        if is_measured:
            lines += [f"{reason}: {n:,}" for reason, n in flow.measured.left_out.items()]
        elif section.unreadable is not None:
            lines.append(f"could not be read: {section.unreadable:,}")
        ends.append(drawing.box(x, top, width, lines, "#eaf2fa" if is_measured else "#fff"))
    end = max(ends) + GAP
    for x, bottom, section in zip(starts, ends, flow.sections, strict=True):
        if section.name in flow.measured.what:
            drawing.arrow((x + width / 2, bottom), (x + width / 2, end))
    return end


def _finding_lines(flow: Flow) -> list[str]:
    if len(flow.findings) > MOST_FINDINGS:
        return [f"{len(flow.findings)} findings: see the table"]
    lines = []
    for finding, counts in flow.findings.items():
        unknown = [f"{counts[state]:,} {state}" for state in ("uncertain", "not said") if counts[state]]
        patients = counted(counts["present_patients"], "patient")
        known = f"{counts['present']:,} present ({patients}), {counts['absent']:,} absent"
        lines.append(f"{finding}: {', '.join([known, *unknown])}")
    return lines


def _sized(step: Step) -> str:
    patients = "" if step.patients is None else f" of {counted(step.patients, 'patient')}"
    what = step.what[:1].upper() + step.what[1:]
    return f"{what}: {counted(step.images, 'image')}{patients}"


def _wrapped(line: str, width: float) -> list[str]:
    return textwrap.wrap(line, int((width - 2 * PADDING) / LETTERS)) or [""]
