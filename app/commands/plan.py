"""``frugal plan``: what to annotate next, from a price list and a pilot."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "plan",
        help="say what to annotate next, at which level, for how much, and with how much certainty",
        description="From prices of annotation and a pilot (a study that trained with few images of each level), say "
        "how many images to annotate at which level with a budget, or for a target, with an interval of 90%%, beside "
        "simple rules. With --make-pilot, write the study that serves as the pilot.",
    )
    parser.add_argument("prices", type=Path, nargs="?", metavar="PRICES.yaml", help="the price list")
    parser.add_argument("--pilot", type=Path, metavar="DIR|TABLE.csv", help="folder or table.csv of a study")
    goal = parser.add_mutually_exclusive_group()
    goal.add_argument("--budget", type=float, metavar="MONEY", help="what annotation may cost, in the prices' unit")
    goal.add_argument("--target", type=float, metavar="VALUE", help="the metric to reach, as cheaply as possible")
    goal.add_argument("--make-pilot", type=int, metavar="N", help="write a study with at most N images a cell")
    parser.add_argument("--certainty", type=float, default=0.8, metavar="P", help="for --target (default: %(default)s)")
    parser.add_argument(
        "--metric", default="auc.macro", metavar="NAME", help="to plan for; auc.worst is the worst finding's area"
    )
    parser.add_argument("--out", type=Path, metavar="PATH", help="folder for the page and plan.json; file of the study")
    parser.add_argument("--json", action="store_true", help="print plan.json instead of words")
    pilot = parser.add_argument_group("with --make-pilot")
    pilot.add_argument("--datalist", type=Path, metavar="FILE", help="radiographs that are all annotated alike")
    pilot.add_argument("--bundle", default="annotation_cost", metavar="BUNDLE", help="(default: %(default)s)")
    pilot.add_argument("--epochs", type=int, default=10, metavar="N", help="at the largest size (default: %(default)s)")
    pilot.add_argument("--seeds", type=int, default=3, metavar="N", help="(default: %(default)s)")
    pilot.add_argument("--f1", type=float, default=0.8, help="of labels mined from reports (default: %(default)s)")
    pilot.add_argument("--untimed", action="store_true", help="do not run the first cell to tell how long all take")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Plan, or make a pilot."""
    if arguments.make_pilot is not None:
        _make_pilot(arguments)
        return
    if arguments.prices is None or arguments.pilot is None:
        raise ValueError("frugal plan needs PRICES.yaml and --pilot; without a pilot, --make-pilot N writes its study.")
    if arguments.budget is None and arguments.target is None:
        raise ValueError("frugal plan needs --budget MONEY or --target VALUE.")
    if not 0 < arguments.certainty < 1:
        raise ValueError(f"--certainty {arguments.certainty:g}: must be above 0 and below 1.")
    _plan(arguments)


def _plan(arguments: argparse.Namespace) -> None:
    import json

    from app.planning.advice import advise, plan_json
    from app.planning.pilot import read_pilots
    from app.planning.plan_output import plan_text, write_plan
    from app.planning.planner import Planner
    from app.planning.prices import read_prices

    prices = read_prices(arguments.prices)
    planner = Planner(read_pilots(arguments.pilot, arguments.metric), prices, arguments.metric)
    advice = advise(planner, arguments.budget, arguments.target, arguments.certainty)
    text = json.dumps(plan_json(advice), indent=1) if arguments.json else plan_text(advice)
    sys.stdout.write(f"{text}\n")
    if arguments.out:
        files = write_plan(advice, arguments.out)
        if not arguments.json:
            sys.stdout.write(f"written: {', '.join(map(str, files))}\n")


def _make_pilot(arguments: argparse.Namespace) -> None:
    """Write the study file, and unless asked not to, run its first cell to tell how long all take."""
    from app.files.atomic import write_whole
    from app.planning.pilot_study import PilotStudy, duration, pilot_study, study_text

    if arguments.datalist is None:
        raise ValueError("--make-pilot needs --datalist FILE, radiographs that are all annotated alike.")
    for name in ("epochs", "seeds"):
        if getattr(arguments, name) < 1:
            raise ValueError(f"--{name} {getattr(arguments, name)}: must be 1 or more.")
    asked = PilotStudy(
        datalist=arguments.datalist,
        bundle=arguments.bundle,
        images=arguments.make_pilot,
        epochs=arguments.epochs,
        seeds=arguments.seeds,
        f1=arguments.f1,
    )
    path = arguments.out or Path("pilot.yaml")
    study = pilot_study(asked, path.stem)
    write_whole(path, study_text(study))
    cells = len(study["factors"]["annotations"])
    sys.stdout.write(f"written: {path}, with {cells} cells and {asked.seeds} seeds. Run it: frugal study {path}\n")
    if not arguments.untimed:
        sys.stdout.write("The first cell runs now, to tell how long all take; its result counts.\n")
        sys.stdout.flush()
        sys.stdout.write(f"The pilot takes {duration(_first_seconds(path), cells, asked.seeds)}.\n")


def _first_seconds(path: Path) -> float:
    """Run the first cell of a study, unless it has run, and say how long that took."""
    from app.commands.study import default_folder
    from app.sweeps.runner import Launcher, run_all
    from app.sweeps.study_file import read_sweep

    sweep = read_sweep(path)
    launcher = Launcher(sweep, default_folder(sweep.name))
    first = launcher.runs()[0]
    run_all(launcher, [first])
    record = first.record()
    if record.get("state") != "finished":
        raise ValueError(f"the first cell failed: {record.get('error', 'stopped')}; see {first.folder}.")
    return float(record["seconds"])
