"""``frugal next``: which images of a pool to annotate next, and at which level."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.datalist.arguments import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.planning.prices import Prices
    from app.selection.used import Used
    from app.workflows.weights import Weights

STRATEGIES = ("mixed", "rare", "uncertain", "committee", "coverage", "random")
DATALIST, PAGE, EVALUATION = "next.json", "next.html", "evaluation.html"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "next",
        help="choose the images of a pool to annotate next",
        description="Choose the images of a pool that a budget should be spent on, each with the level of annotation: "
        "a datalist, a page that says why, and files for Label Studio and CVAT. Later, with --evaluate, say what the "
        "choice was worth against random patients.",
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="output folder of a training, or weights; several are a committee"
    )
    parser.add_argument("--pool", type=Path, metavar="FILE", help="datalist of images that could be annotated")
    parser.add_argument("--prices", type=Path, metavar="PRICES.yaml", help="the price list; see frugal plan")
    parser.add_argument("--budget", type=float, metavar="MONEY", help="what annotation may cost, in the prices' unit")
    parser.add_argument("--out", type=Path, metavar="DIR", help="new or empty folder to write to")
    parser.add_argument("--strategy", choices=STRATEGIES, default="mixed", help="(default: %(default)s)")
    parser.add_argument("--rare", type=names, metavar="A,B", help="findings to look for (default: those below 5%%)")
    parser.add_argument(
        "--random",
        type=float,
        default=0.2,
        metavar="SHARE",
        help="of the budget, for random patients; 0.05 or more (default: %(default)s; mixed: 0.5)",
    )
    level = parser.add_mutually_exclusive_group()
    level.add_argument("--pilot", type=Path, metavar="DIR|TABLE.csv", help="choose the level by this pilot's curves")
    level.add_argument(
        "--level",
        default="image",
        metavar="LEVEL",
        help="of images on which a finding is likely (default: %(default)s)",
    )
    parser.add_argument("--metric", default="auc.macro", metavar="NAME", help="with --pilot (default: %(default)s)")
    parser.add_argument(
        "--predictions",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="predictions.csv of the pool by frugal predict, instead of scoring it now; one for each run",
    )
    parser.add_argument(
        "--used",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="further datalist that was trained or measured on, or that is being read; may be repeated",
    )
    parser.add_argument("--trust", action="store_true", help="allow bundles from outside of the installation")
    parser.add_argument("--blind", action="store_true", help="show readers no suggestions")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: %(default)s)")
    later = parser.add_argument_group("when the labels are back")
    later.add_argument("--evaluate", type=Path, metavar="LABELLED.json", help="datalist of the labels that came back")
    later.add_argument("--chosen", type=Path, metavar="next.json", help="what this command had chosen")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Choose, or evaluate an earlier choice."""
    if arguments.evaluate is not None or arguments.chosen is not None:
        _evaluate(arguments)
        return
    _require_sense(arguments)
    _choose(arguments)


def _choose(arguments: argparse.Namespace) -> None:
    """Check everything that is quick, then score the pool, choose, and write."""
    from app.commands.datalist import require_empty, write_checked
    from app.datalist.file import moved
    from app.files.atomic import write_files
    from app.planning.prices import read_prices
    from app.selection.output import reader_files, selection_page, selection_text
    from app.selection.scores import read_scores
    from app.selection.selection import Wish, datalist_of, require_possible, select, with_predictions
    from app.selection.used import read_used, trained_labels, unused
    from app.workflows.weights import find_weights

    require_empty(arguments.out)
    prices = read_prices(arguments.prices)
    pool = read_used(arguments.pool)
    findings = pool.datalist.findings
    _require_known(arguments.rare or (), findings, arguments.pool)
    weights = [find_weights(word) for word in arguments.runs]
    others = _used(arguments, weights)
    items, left_out = unused(pool, others)
    level, worth = _level(arguments, prices)
    wish = Wish(
        strategy=arguments.strategy,
        budget=arguments.budget,
        level=level,
        share=arguments.random,
        seed=arguments.seed,
        rare=tuple(arguments.rare or ()),
    )
    require_possible(prices, wish, len(arguments.predictions or weights))
    scores = read_scores(_predictions(arguments, weights), [item.image for item in items], findings)
    items, scores, unscored = with_predictions(items, scores)
    left_out |= unscored
    trained = trained_labels(findings, others)
    selection = select(items, findings, scores, trained, prices, wish)
    about = {"unit": prices.unit, "trained": {name: list(pair) for name, pair in trained.items()}, **left_out}
    files, known = reader_files(selection, pool, arguments.blind)
    files[PAGE] = selection_page(selection, prices.unit, left_out, worth, arguments.blind)
    chosen = moved(datalist_of(selection, pool.datalist, about), arguments.pool, arguments.out / DATALIST)
    write_checked(chosen, arguments.out / DATALIST)
    write_files(arguments.out, files)
    text = selection_text(selection, prices.unit, left_out | known, worth)
    sys.stdout.write(f"{text}\nwritten to {arguments.out}\n")


def _used(arguments: argparse.Namespace, weights: Sequence[Weights]) -> list[Used]:
    """The datalists that the runs name, and those of ``--used``, which also stand for what a run cannot name."""
    from app.selection.used import read_used, used_by

    if not weights and not arguments.used:
        raise ValueError(
            "nothing says what was trained and measured on, which must not be chosen: name the runs, or the datalist "
            "by --used FILE."
        )
    used: dict[Path, Used] = {path.resolve(): read_used(path) for path in arguments.used}
    for each in weights:
        try:
            by = used_by(each)
        except ValueError:
            if not arguments.used:
                raise
        else:
            used.setdefault(by.path.resolve(), by)
    return list(used.values())


def _level(arguments: argparse.Namespace, prices: Prices) -> tuple[str, dict[str, float]]:
    """The level of likely images, and what the pilot says a unit of money gains at each."""
    if arguments.pilot is None:
        return arguments.level, {}
    from app.planning.pilot import read_pilots
    from app.planning.planner import Planner
    from app.selection.selection import worth_of_levels

    planner = Planner(read_pilots(arguments.pilot, arguments.metric), prices, arguments.metric)
    worth = worth_of_levels(planner, arguments.budget)
    return max(worth, key=lambda level: worth[level]), worth


def _predictions(arguments: argparse.Namespace, weights: Sequence[Weights]) -> list[Path]:
    """The tables of predictions; unless they are given, the pool is scored with each run's weights."""
    if arguments.predictions:
        return list(arguments.predictions)
    if not weights:
        raise ValueError("nothing scores the pool: name a RUN, or --predictions FILE.")
    from app.workflows.running import run as run_workflow
    from app.workflows.weights import prediction

    paths = []
    for number, word in enumerate(arguments.runs, start=1):
        folder = arguments.out / "predictions" / str(number)
        file, overrides = prediction(word, str(arguments.pool), {"output_dir": str(folder)})
        run_workflow([file], "run", {**overrides, "inference#overlays": False}, arguments.trust)
        paths.append(folder / "predictions.csv")
    return paths


def _evaluate(arguments: argparse.Namespace) -> None:
    from app.files.atomic import write_whole
    from app.selection.evaluation import verdict
    from app.selection.output import verdict_page, verdict_text
    from app.selection.used import read_used

    if arguments.evaluate is None or arguments.chosen is None:
        raise ValueError("--evaluate LABELLED.json and --chosen next.json belong together.")
    result = verdict(read_used(arguments.chosen), read_used(arguments.evaluate))
    path = (arguments.out or arguments.chosen.parent) / EVALUATION
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, verdict_page(result))
    sys.stdout.write(f"{verdict_text(result)}\nwritten: {path}\n")


def _require_sense(arguments: argparse.Namespace) -> None:
    missing = [f"--{name}" for name in ("pool", "prices", "budget", "out") if getattr(arguments, name) is None]
    if missing:
        raise ValueError(f"frugal next needs {', '.join(missing)}; see frugal next --help.")
    if not 0.05 <= arguments.random <= 1:
        raise ValueError(f"--random {arguments.random:g}: must be from 0.05 to 1.")
    if not 0 < arguments.budget < float("inf"):
        raise ValueError(f"--budget {arguments.budget:g}: must be a number above 0.")
    if arguments.predictions and arguments.runs and len(arguments.predictions) != len(arguments.runs):
        raise ValueError(
            f"{len(arguments.predictions)} --predictions for {len(arguments.runs)} runs: give one for each, in their "
            "order."
        )
    if arguments.seed < 0:
        raise ValueError(f"--seed {arguments.seed}: must be 0 or more.")
    words = [*arguments.runs, *map(str, arguments.predictions)]
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice}: is named twice; a committee needs different members.")


def _require_known(given: Sequence[str], findings: Sequence[str], pool: Path) -> None:
    from app.findings import require_known

    require_known(given, findings, f"--rare, {pool}")
