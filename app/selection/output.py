"""A selection, and later its evaluation, in words for a terminal, as a page, and as files for readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from app.annotation_formats.exporting import SUGGESTED, export
from app.datalist.item import Datalist
from app.pages import page
from app.pages.numbers import counted, limits
from app.selection.evaluation import FindingGain, Verdict
from app.selection.selection import RANDOM, STRATEGIES, Selection
from app.selection.used import Used
from evaluation.cases import Interval

_WHY_RANDOM = (
    "The random share is a fair sample of the pool's patients: it measures how frequent findings are there, and what "
    "the strategy is worth. Keep it in every batch, and do not tell readers which images it holds: next.json marks "
    "them, the files for Label Studio and CVAT do not."
)
_NOTHING_PROMISED = (
    "None of the findings is rarer than 5%, and there no strategy is known to beat random patients: expect no better "
    "than random, and see what --evaluate says when the labels are back."
)
_SUGGESTED = (
    "Readers see what the network calls, as suggestions to correct. That saves time and draws readers towards the "
    "network's errors; --blind leaves the suggestions out."
)


def selection_text(selection: Selection, unit: str, left_out: Mapping[str, int], worth: Mapping[str, float]) -> str:
    """The selection for a terminal."""
    lines = [_headline(selection, unit)]
    lines += [f"  {count:>9} {reason}, {level}" for reason, level, count in _counts(selection)]
    lines += [f"  {reason}: {count:,}" for reason, count in left_out.items()]
    lines += [_worth(worth)] if worth else []
    lines += [] if _is_promising(selection) else [_NOTHING_PROMISED]
    return "\n".join(lines)


def selection_page(
    selection: Selection, unit: str, left_out: Mapping[str, int], worth: Mapping[str, float], blind: bool
) -> str:
    """The selection as one self-contained HTML page."""
    wish = selection.wish
    tiles = [
        ("Images", f"{len(selection.items):,}", "one a patient"),
        ("Expected cost", f"{selection.cost:,.1f} {unit}", f"of {wish.budget:,.1f}"),
        ("Strategy", wish.strategy, f"looks for {', '.join(selection.findings)}"),
    ]
    rows = [(reason, level, count) for reason, level, count in _counts(selection)]
    shares = [
        (name, "yes" if name in selection.findings else "", f"{share:.1%}", source)
        for name, (share, source) in selection.prevalence.items()
    ]
    omitted = [(reason, f"{count:,}") for reason, count in left_out.items()]
    parts = [
        page.section(
            "What was chosen", [page.tiles(tiles), page.table(("chosen by", "level", "images"), rows, left=2)]
        ),
        page.section(
            "Why",
            [
                f"{wish.strategy.capitalize()}: {STRATEGIES[wish.strategy]}.",
                *([_worth(worth)] if worth else []),
                page.table(("finding", "looked for", "prevalence", "by"), shares, left=2),
                *([] if _is_promising(selection) else [page.note(_NOTHING_PROMISED, "warning")]),
                page.note(_WHY_RANDOM),
                *([] if blind else [page.note(_SUGGESTED, "warning")]),
            ],
        ),
        page.section(
            "What could not be chosen",
            [page.table(("reason", "images"), omitted) if omitted else "Every image of the pool could be chosen."],
        ),
        page.section("How to go on", list(_steps(selection))),
    ]
    return page.page("What to annotate next", _headline(selection, unit), parts)


def reader_files(selection: Selection, pool: Used, blind: bool) -> tuple[dict[str, str], dict[str, int]]:
    """Texts by name, such as ``box/cvat/annotations.xml``, and what to know of them, counted.

    Args:
        selection: What was chosen.
        pool: The datalist of the pool.
        blind: Whether readers see no suggestions.

    Raises:
        ValueError: The header of a chosen image cannot be read.
    """
    files: dict[str, str] = {}
    known: Counter[str] = Counter()
    for level in selection.levels:
        datalist = Datalist.unsplit(pool.datalist.name, pool.datalist.findings, selection.at(level, blind))
        for kind in SUGGESTED:
            written = export(datalist, pool.path.parent, kind, suggestions=True)
            files |= {f"{level}/{kind}/{name}": text for name, text in written.files.items()}
        told = {reason: count for reason, count in written.counts.items() if reason.startswith(("lost", "DICOM"))}
        known.update(told)
    return files, dict(known)


def verdict_text(verdict: Verdict) -> str:
    """An evaluation for a terminal."""
    lines = [verdict_headline(verdict)]
    for gain in verdict.gains:
        lines.append(
            f"  {gain.finding}: present in {gain.chosen.present} of {gain.chosen.known} chosen and "
            f"{gain.random.present} of {gain.random.known} random images; effective cases {_cases(gain.by_chosen)} "
            f"against {_cases(gain.by_random)}, difference {_cases(gain.difference, '+')}"
        )
    lines += [f"  not back yet: {counted(verdict.unread, 'image')}"] if verdict.unread else []
    return "\n".join(lines)


def verdict_page(verdict: Verdict) -> str:
    """An evaluation as one self-contained HTML page."""
    head = ("finding", "chosen", "present (95%)", "random", "present (95%)", "effective cases", "random", "difference")
    parts = [
        page.section(
            verdict.words.capitalize(),
            [
                page.table(head, map(_row, verdict.gains)),
                "Effective cases are what the strategy's reads added to the training labels, and what as many reads "
                "of random patients would have added: 4 P A / (P + A) for P cases with a finding and A without, so "
                "that a hundred reads are worth a hundred if half of them have it. Intervals of 95%; a difference that "
                "may be below a quarter of what random reads give counts as none. Effective cases tell how "
                "many cases there are, not how much a network learns from each: only training on both tells that.",
                *([page.note(f"{counted(verdict.unread, 'image')} not back yet.")] if verdict.unread else []),
            ],
        )
    ]
    return page.page("Was the selection worth it?", verdict_headline(verdict), parts)


def verdict_headline(verdict: Verdict) -> str:
    """The answer in one sentence."""
    return (
        f"{verdict.strategy.capitalize()} was {verdict.words}: {_cases(verdict.difference, '+')} effective cases more "
        f"than as many random reads give{', mean over the findings' if len(verdict.gains) > 1 else ''}."
    )


def _headline(selection: Selection, unit: str) -> str:
    wish = selection.wish
    at = " and ".join(
        f"{sum(selection.count(reason, level) for reason in _reasons(selection)):,} at level {level}"
        for level in selection.levels
    )
    return (
        f"Annotate {counted(len(selection.items), 'image')} of as many patients, {at}, for an expected "
        f"{selection.cost:,.1f} of {wish.budget:,.1f} {unit}."
    )


def _is_promising(selection: Selection) -> bool:
    return selection.has_rare or selection.wish.strategy == RANDOM


def _reasons(selection: Selection) -> tuple[str, ...]:
    strategy = selection.wish.strategy
    return tuple(dict.fromkeys((RANDOM, "rare" if strategy == "mixed" else strategy)))


def _counts(selection: Selection) -> list[tuple[str, str, str]]:
    counts = [
        (reason, level, selection.count(reason, level)) for reason in _reasons(selection) for level in selection.levels
    ]
    return [(reason, level, f"{count:,}") for reason, level, count in counts if count]


def _worth(worth: Mapping[str, float]) -> str:
    ordered = sorted(worth, key=lambda level: -worth[level])
    best = worth[ordered[0]]
    others = ", ".join(f"{level} {worth[level] / best:.0%} of that" for level in ordered[1:] if best > 0)
    return f"By the pilot, {ordered[0]} gains most for the money{f'; {others}' if others else ''}."


def _steps(selection: Selection) -> list[str]:
    folders = " and ".join(f"{level}/" for level in selection.levels)
    return [
        f"{folders}: what readers get, one project for each level, as Label Studio's tasks.json and config.xml, and as "
        "CVAT's annotations.xml. They name images by their paths from the folder of the pool's datalist.",
        "When they have exported their work: frugal datalist folder --annotations EXPORT --images FOLDER --out "
        "labelled.json; then frugal next --evaluate labelled.json --chosen next.json says what the strategy was worth.",
    ]


def _row(gain: FindingGain) -> tuple[str, ...]:
    return (
        gain.finding,
        f"{gain.chosen.present} of {gain.chosen.known}",
        limits(gain.chosen.share),
        f"{gain.random.present} of {gain.random.known}",
        limits(gain.random.share),
        _cases(gain.by_chosen),
        _cases(gain.by_random),
        _cases(gain.difference, "+"),
    )


def _cases(interval: Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.1f} [{interval.lower:{sign}.1f}, {interval.upper:{sign}.1f}]"
