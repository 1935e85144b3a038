"""The picture of a section: radiographs with their annotations, beside the counts."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.counts_picture import draw_located, draw_pairs, draw_states, most_frequent
from app.datalist.examples import annotation_words, chosen_examples
from app.datalist.holdings import SectionHoldings, co_occurrence, holdings
from app.datalist.item import Datalist, Item
from app.datalist.thumbnails import SIDE, Thumbnail, thumbnail
from app.files.atomic import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXAMPLES = 24
"""Radiographs on a sheet."""
COLUMNS = 6
COUNTED = 24
"""Findings whose counts are drawn; with more, those that most is said of."""
_COLOURS = (
    *("#ffd92f", "#1fe0e0", "#ff7fd4", "#7dff5a", "#ff9a3c", "#8fb4ff", "#ff5c5c"),
    *("#c9a3ff", "#b8d98a", "#ffffff", "#00b37a", "#c98a4b", "#5a7bff", "#b0b0b0"),
)
"""By finding; bright, as radiographs are dark. With more findings they recur; captions name what is drawn."""
_DOTS = 110
_GAP = 10
"""Pixels between tiles."""
_LINE = 19
"""Pixels of a line of a caption."""
_LINES = 4
_CHARACTERS = 34
_TILE = 2.15
"""Inches of a tile with its gap."""
_SIDE_PANEL = 4.2


def draw_sections(datalist: Datalist, root: Path, path: Path, seed: int) -> tuple[list[Path], list[str]]:
    """Draw one picture for each section that is not empty: examples of what is annotated, beside the counts.

    Args:
        datalist: What to show.
        root: The folder that its paths are relative to.
        path: ``x.png`` gives ``x-training.png`` and so on, in the format of its suffix.
        seed: Seed for choosing the examples.

    Returns:
        The files written, and a problem for each image or mask that could not be read.
    """
    import matplotlib

    matplotlib.rcParams["text.parse_math"] = False  # names of findings may contain $
    written, problems = [], []
    colours = _colours(datalist)
    for section, held in holdings(datalist).items():
        items = datalist.sections[section]
        indices = chosen_examples(items, datalist.findings, EXAMPLES, seed)
        tiles = {index: thumbnail(items[index], root) for index in indices}
        problems += [
            f"{section}[{index}] {items[index].image}: {problem}"
            for index, tile in sorted(tiles.items())
            for problem in tile.problems
        ]
        file = path.with_name(f"{path.stem}-{section}{path.suffix}")
        write_figure(file, _figure(datalist, section, held, tiles, colours), dpi=_DOTS)
        written.append(file)
    return written, problems


def _figure(
    datalist: Datalist, section: str, held: SectionHoldings, tiles: dict[int, Thumbnail], colours: dict[str, str]
) -> Figure:
    from matplotlib.figure import Figure

    items, part = datalist.sections[section], most_frequent(held, COUNTED)
    captions = {index: _caption(index, items[index], datalist.findings) for index in tiles}
    lines = max(caption.count("\n") + 1 for caption in captions.values())
    pitch = (SIDE + _GAP, SIDE + _GAP + _LINE * lines)
    columns = min(COLUMNS, len(tiles))
    sheet_height = -(-len(tiles) // columns) * _TILE * pitch[1] / pitch[0] + 0.6
    panels = _panel_heights(part)
    height = max(sheet_height, sum(panels.values())) + 0.4
    width = _TILE * max(columns, 3)
    figure = Figure(figsize=(width + _SIDE_PANEL, height), layout="constrained")
    title = f"{datalist.name}, {section}: {part.images} images of {part.patients} patients"
    figure.suptitle(f"{title}\n{len(tiles)} examples; [n] is item n of the section", fontsize=10)
    left, right = figure.subfigures(1, 2, width_ratios=(width, _SIDE_PANEL), squeeze=False)[0]
    axes = left.subplots()
    _draw_tiles(axes, [(items[index], tiles[index], captions[index]) for index in tiles], pitch, colours)
    _add_legend(axes, [items[index] for index in tiles], colours)
    if len(datalist.findings) > COUNTED:
        right.suptitle(f"{COUNTED} of {len(datalist.findings)} findings: those that most is said of", fontsize=8)
    pairs = _pairs(datalist, items, part.findings)
    _draw_panels(right.subplots(len(panels) + 1, 1, height_ratios=_ratios(panels, height)), panels, part, pairs)
    return figure


def _panel_heights(part: SectionHoldings) -> dict[str, float]:
    """Inches of each panel of counts, without those that would show nothing."""
    bars = 0.8 + 0.17 * len(part.findings)
    is_located = any(counts.located for counts in part.findings.values())
    several = {"pairs": bars + 1.2} if len(part.findings) > 1 else {}
    return {"labels": bars} | ({"locations": bars} if is_located else {}) | several


def _ratios(panels: dict[str, float], height: float) -> list[float]:
    """Heights of the panels, and of the empty space below them."""
    return [*panels.values(), max(height - sum(panels.values()), 0.01)]


def _draw_panels(
    all_axes: Sequence[Axes], panels: Iterable[str], part: SectionHoldings, pairs: list[list[int]]
) -> None:
    all_axes[-1].set_axis_off()
    for name, axes in zip(panels, all_axes, strict=False):
        if name == "labels":
            draw_states(axes, part)
        elif name == "locations":
            draw_located(axes, part)
        else:
            draw_pairs(axes, list(part.findings), pairs)


def _pairs(datalist: Datalist, items: Sequence[Item], findings: Collection[str]) -> list[list[int]]:
    """How often findings occur together in a section."""
    matrix = co_occurrence(Datalist.unsplit("", datalist.findings, items))
    chosen = [number for number, finding in enumerate(datalist.findings) if finding in findings]
    return [[matrix[row][column] for column in chosen] for row in chosen]


def _colours(datalist: Datalist) -> dict[str, str]:
    """The colour of each finding that is located anywhere, the same in all sections."""
    located = {box.finding for item in datalist.items() for box in item.boxes}
    located |= {finding for item in datalist.items() for finding in item.mask}
    names = [finding for finding in datalist.findings if finding in located]
    return {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}


def _draw_tiles(
    axes: Axes, tiles: Sequence[tuple[Item, Thumbnail, str]], pitch: tuple[int, int], colours: dict[str, str]
) -> None:
    """Draw all tiles (with caption) on one grid of pixels, which is much faster than axes for each."""
    columns = min(COLUMNS, len(tiles))
    for number, (item, tile, caption) in enumerate(tiles):
        left, top = pitch[0] * (number % columns), pitch[1] * (number // columns + 1) - SIDE - _GAP
        axes.text(left, top - 4, caption, fontsize=7, va="bottom", linespacing=1.15)
        _draw_tile(axes, item, tile, (left, top), colours)
    axes.set(xlim=(0, pitch[0] * columns), ylim=(pitch[1] * -(-len(tiles) // columns), 0), aspect="equal", anchor="N")
    axes.set_axis_off()


def _draw_tile(axes: Axes, item: Item, tile: Thumbnail, corner: tuple[int, int], colours: dict[str, str]) -> None:
    from matplotlib.patches import Polygon, Rectangle

    left, top = corner
    if tile.pixels is None:
        axes.add_patch(Rectangle(corner, SIDE, SIDE, facecolor="0.9"))
        axes.text(left + SIDE / 2, top + SIDE / 2, "cannot be read", ha="center", va="center", fontsize=8)
        return
    height, width = tile.pixels.shape
    axes.imshow(tile.pixels, cmap="gray", vmin=0, vmax=255, extent=(left, left + width, top + height, top))
    for finding, polygons in tile.outlines.items():
        for polygon in polygons:
            colour = colours.get(finding, "white")
            axes.add_patch(Polygon(polygon + corner, facecolor="none", edgecolor=colour, linewidth=1))
    for box in item.boxes:
        place = (left + box.x * tile.scale, top + box.y * tile.scale)
        sides = (box.width * tile.scale, box.height * tile.scale)
        colour = colours.get(box.finding, "white")
        axes.add_patch(Rectangle(place, *sides, facecolor="none", edgecolor=colour, linestyle="--", linewidth=1))


def _caption(index: int, item: Item, findings: Sequence[str]) -> str:
    """The item's place in its section and its view, then how it is annotated; no name of a file or a patient."""
    lines = [line for words in annotation_words(item, findings) for line in textwrap.wrap(words, _CHARACTERS)]
    if len(lines) > _LINES - 1:
        lines = [*lines[: _LINES - 2], f"{lines[_LINES - 2][: _CHARACTERS - 4]} ..."]
    return "\n".join([f"[{index}] {item.view}".rstrip(), *lines])


def _add_legend(axes: Axes, items: Sequence[Item], colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    boxes, masks = {box.finding for item in items for box in item.boxes}, {name for item in items for name in item.mask}
    handles: list[Line2D | Patch] = [Line2D([], [], color="0.5", linestyle="--", label="box")] * bool(boxes)
    handles += [Line2D([], [], color="0.5", label="mask")] * bool(masks)
    shown = [name for name in colours if name in boxes | masks]
    handles += [Patch(facecolor=colours[name], edgecolor="0.5", label=name) for name in shown]
    if handles:
        axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=6, frameon=False, fontsize=8)
