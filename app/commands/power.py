"""``frugal power``: how many patients a planned comparison, or an interval of a wanted width, needs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.sample_size.plan import Plan
    from app.sample_size.request import Request

FORMULAS = ("normal-scores", "obuchowski", "hanley-mcneil")
POWER = 0.8
PICTURES = (".png", ".svg", ".pdf")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "power",
        help="say how many patients a planned comparison or interval needs",
        description="Say how many patients with and without a finding a planned study needs, from a pilot or from "
        "stated areas. The power of a study that is done is not computed.",
    )
    kinds = parser.add_subparsers(title="what is planned", required=True, metavar="QUESTION")
    difference = kinds.add_parser("difference", help="the AUC of two models on the same cases")
    source = difference.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--pilot",
        nargs=2,
        metavar="RUN",
        help="the reference and the new model on the same cases, as for frugal compare",
    )
    source.add_argument("--auc", type=float, metavar="AREA", help="of the reference, without a pilot")
    difference.add_argument(
        "--correlation", type=float, metavar="R", help="of the two estimated areas, with --auc; often 0.3 to 0.7"
    )
    _add_effect(difference)
    area = kinds.add_parser("area", help="the AUC of one model")
    source = area.add_mutually_exclusive_group(required=True)
    source.add_argument("--pilot", nargs=1, metavar="RUN", help="as for frugal compare")
    source.add_argument("--auc", type=float, metavar="AREA", help="expected, without a pilot")
    goal = area.add_mutually_exclusive_group(required=True)
    goal.add_argument("--width", type=float, metavar="W", help="of the interval, from its lower to its upper limit")
    goal.add_argument("--above", type=float, metavar="AREA", help="show that the AUC is above this; 0.5 is chance")
    area.add_argument(
        "--true",
        type=float,
        metavar="AREA",
        help="with --pilot and --above, the AUC that should be recognised as higher",
    )
    for each in (difference, area):
        each.add_argument("--finding", metavar="NAME", help="of the pilot, if it has several")
        each.add_argument(
            "--formula",
            choices=FORMULAS,
            help=f"of the variance, with --auc (default: {FORMULAS[0]})",
        )
        _add_shared(each)
    for kind in ("sensitivity", "specificity"):
        rates = kinds.add_parser(kind, help=f"the {kind} of two models on the same cases")
        rates.add_argument("--rate", type=float, required=True, metavar="P", help=f"{kind} of the reference")
        rates.add_argument(
            "--disagree",
            type=float,
            required=True,
            metavar="P",
            help="share of those cases that only one model gets right",
        )
        _add_effect(rates)
        _add_shared(rates)
        rates.set_defaults(kind=kind)
    difference.set_defaults(kind="difference")
    area.set_defaults(kind="area")
    parser.set_defaults(run=run)


def _add_effect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--difference",
        type=float,
        metavar="D",
        help="new - reference: the smallest that matters; with --margin the true one (default there: 0)",
    )
    parser.add_argument(
        "--margin", type=float, metavar="D", help="plan for non-inferiority: how much worse does not matter"
    )


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prevalence", type=float, metavar="P", help="share of the patients with the finding")
    parser.add_argument("--power", type=float, metavar="P", help=f"wanted (default: {POWER})")
    parser.add_argument("--level", type=float, default=0.95, metavar="P", help="of intervals (default: %(default)s)")
    parser.add_argument(
        "--tests",
        type=int,
        default=1,
        metavar="N",
        help="findings and models that Holm's method corrects for (default: 1)",
    )
    parser.add_argument(
        "--design-effect",
        type=float,
        metavar="X",
        help="by which several images a patient multiply the variance; a pilot shows it by itself (default: 1)",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw power or width against patients (PNG, SVG, PDF)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of words")


def run(arguments: argparse.Namespace) -> None:
    """Plan, print and draw."""
    from app.files.atomic import write_figure
    from app.sample_size.plan_output import draw_plan, plan_json, plan_text

    if arguments.picture and arguments.picture.suffix.lower() not in PICTURES:
        raise ValueError(f"--picture {arguments.picture}: its name must end in {', '.join(PICTURES)}")
    plan = _plan(arguments)
    sys.stdout.write(f"{plan_json(plan) if arguments.json else plan_text(plan)}\n")
    if arguments.picture:
        write_figure(arguments.picture, draw_plan(plan), dpi=130)


def _plan(arguments: argparse.Namespace) -> Plan:
    from app.sample_size.pilot import read_pilot
    from app.sample_size.questions import plan_above, plan_difference, plan_shares, plan_width
    from app.sample_size.request import OBSERVED, Effect

    request, kind = _request(arguments), arguments.kind
    if kind in ("sensitivity", "specificity"):
        effect = Effect(arguments.difference, arguments.margin)
        return plan_shares(request, kind, arguments.rate, arguments.disagree, effect)
    planned = Effect(arguments.difference, arguments.margin) if kind == "difference" else None
    pilot = read_pilot(arguments.pilot, arguments.finding or "") if arguments.pilot else None
    if planned is not None:
        if pilot is None and arguments.correlation is None:
            raise ValueError(
                "--auc needs --correlation, of the two estimated areas on the same cases: often 0.3 to 0.7"
            )
        return plan_difference(request, pilot or (arguments.auc, arguments.correlation), planned)
    if arguments.width is not None:
        return plan_width(request, pilot or arguments.auc, arguments.width)
    true = arguments.auc if pilot is None else arguments.true
    if true is None:
        raise ValueError(f"--above needs --true, the AUC that should be recognised. It is not the pilot's: {OBSERVED}")
    return plan_above(request, pilot or arguments.auc, true, arguments.above)


def _request(arguments: argparse.Namespace) -> Request:
    from app.sample_size.request import Request
    from evaluation import power

    has_pilot = bool(getattr(arguments, "pilot", None))
    for name in ("design_effect", "correlation", "formula") if has_pilot else ("finding", "true"):
        if getattr(arguments, name, None) is not None:
            why = "the pilot shows it by itself" if has_pilot else "it belongs to --pilot"
            raise ValueError(f"--{name.replace('_', '-')}: {why}; leave it out")
    if getattr(arguments, "width", None) is not None:
        for name in ("power", "true"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name}: it belongs to --above; leave it out")
    formula = getattr(arguments, "formula", None) or FORMULAS[0]
    return Request(
        power=POWER if arguments.power is None else arguments.power,
        level=arguments.level,
        tests=arguments.tests,
        prevalence=arguments.prevalence,
        design_effect=1.0 if arguments.design_effect is None else arguments.design_effect,
        formula=getattr(power, formula.replace("-", "_")),
    )
