"""A plan in words for a terminal, as ``plan.json``, and as a page with its pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

from app.files.atomic import write_figure, write_whole
from app.pages import page
from app.planning.advice import Advice, images_of, plain, plan_json, sentences
from app.planning.plan_pictures import draw_curves, draw_front

PICTURES = {"cost.png": draw_front, "curves.png": draw_curves}
_CAPTIONS = {
    "cost.png": "What money buys: the best plan for each cost with its 90% interval, and simple rules",
    "curves.png": "Learning curves by level, with the pilot's cells; dotted: the pilot's largest cell",
}


def write_plan(advice: Advice, folder: Path) -> tuple[Path, ...]:
    """Write ``plan.json``, ``plan.html`` and its pictures; the folder is made.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        write_figure(folder / name, draw(advice), dpi=110)
    write_whole(folder / "plan.json", json.dumps(plan_json(advice), indent=1) + "\n")
    write_whole(folder / "plan.html", plan_page(advice, {name: (folder / name).read_bytes() for name in PICTURES}))
    return tuple(folder / name for name in ("plan.html", "plan.json", *PICTURES))


def plan_text(advice: Advice) -> str:
    """The plan for a terminal."""
    unit = advice.planner.prices.unit
    lines = [_headline(advice), *(f"  {count:>9,} {name}" for name, count in _bought(advice))]
    lines += ["", f"{'':32}{'cost (' + unit + ')':>18}   {advice.planner.name}"]
    lines += [f"{name:32}{cost:>18}   {metric}" for name, cost, metric, _ in _rows(advice)]
    return "\n".join([*lines, "", _next(advice), *sentences(advice)]).rstrip()


def plan_page(advice: Advice, pictures: dict[str, bytes]) -> str:
    """The plan as one self-contained HTML page."""
    planner = advice.planner
    unit = planner.prices.unit
    metric = planner.name
    tiles = [
        ("Cost", f"{advice.recommended.cost:,.0f} {unit}", _money(advice)),
        (metric, f"{advice.recommended.metric.value:.3f}", f"90%: {plain(advice.recommended.metric).split(' ', 1)[1]}"),
    ]
    if advice.target is not None:
        tiles.append(
            ("Target", f"{advice.target:g}", f"reached with {advice.recommended.p_at_least(advice.target):.0%}")
        )
    orders = [(name, f"{count:,}", _readers(advice, name, count)) for name, count in _bought(advice)]
    head = ("plan", f"cost ({unit})", f"{metric} (90%)", "P(recommended is better)")
    sections = [
        page.section("What to buy", [page.tiles(tiles), page.table(("level", "images", "by"), orders, left=1)]),
        page.section(
            "Against simple rules",
            [
                page.picture(pictures["cost.png"], _CAPTIONS["cost.png"]),
                page.table(head, _rows(advice)),
                "The equal split is a strong rule for middle budgets: it is the line to beat.",
            ],
        ),
        page.section("What the pilot shows", [page.picture(pictures["curves.png"], _CAPTIONS["curves.png"])]),
        page.section("What to run next", [_next(advice)]),
        page.section("What this plan cannot know", [page.note(text, "warning") for text in sentences(advice)]),
    ]
    return page.page("What to annotate next", _headline(advice), sections)


def _headline(advice: Advice) -> str:
    planner, chosen = advice.planner, advice.recommended
    bought = ", ".join(f"{count:,} {name}" for name, count in _bought(advice)) or "nothing"
    return (
        f"Buy {bought} for {chosen.cost:,.0f} {planner.prices.unit}: {planner.name} {plain(chosen.metric)} is expected."
    )


def _bought(advice: Advice) -> list[tuple[str, int]]:
    return list(images_of(advice.planner, advice.recommended).items())


def _money(advice: Advice) -> str:
    return f"of {advice.budget:,.0f}" if advice.target is None else "the least that suffices"


def _readers(advice: Advice, name: str, count: int) -> str:
    option = next(each for each in advice.planner.prices.purchases if each.name == name)
    return ", ".join(f"{reader} {round(share * count):,}" for reader, share in (option.readers or {}).items())


def _rows(advice: Advice) -> list[tuple[str, str, str, str]]:
    rows = [("recommended", advice.recommended), *((each.rule, each) for each in advice.alternatives)]
    return [
        (
            name,
            f"{choice.cost:,.0f}",
            plain(choice.metric),
            "" if choice is advice.recommended else f"{advice.recommended.p_better(choice):.2f}",
        )
        for name, choice in rows
    ]


def _next(advice: Advice) -> str:
    cell = advice.next
    if cell.gain < 5e-5:
        return "No further cell of the pilot would change the plan by much."
    images = " and ".join(f"{count:,} images at level {level}" for level, count in cell.images.items())
    hours = "" if math.isnan(cell.hours) else f" Training takes about {cell.hours:.1f} hours by the pilot's own times."
    price = f" Images that you do not own cost {cell.price:,.0f} {advice.planner.prices.unit}." if cell.price else ""
    return (
        f"The next pilot cell most worth running: {images}. It is expected to improve the chosen plan by "
        f"{cell.gain:.4f} of {advice.planner.name}.{hours}{price}"
    )
