"""``frugal readers``: several readers of the same cases in several modalities, with intervals and tests."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "readers",
        help="compare modalities that several readers read on the same cases",
        description="Compare modalities (such as with and without a network's help) that every reader read on every "
        "case, by the analysis of Obuchowski and Rockette with Hillis's degrees of freedom. TABLE has one row for each "
        "reading: reader, modality, case, score, truth (1 present, 0 absent), and if cases share patients, patient.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="readings; with --lesions, marks")
    parser.add_argument(
        "--figure",
        default="",
        metavar="NAME",
        help="auc (default), sensitivity or specificity at --threshold, or lroc (needs the column correct); with "
        "--lesions wafroc (default) or afroc",
    )
    parser.add_argument("--threshold", type=float, metavar="X", help="scores of at least X call the finding present")
    parser.add_argument(
        "--lesions",
        type=Path,
        metavar="FILE",
        help="TABLE holds marks (reader, modality, case, lesion, score; lesion is empty if the mark hits none), and "
        "FILE one row for each lesion (case, lesion, and weight and patient if known) and each case without one",
    )
    parser.add_argument(
        "--fixed",
        choices=("readers", "cases"),
        help="results are about these readers, or these cases, alone (default: both stand for others like them)",
    )
    parser.add_argument(
        "--covariance",
        choices=("delong", "jackknife"),
        default="delong",
        help="how figures vary over cases (default: %(default)s)",
    )
    parser.add_argument("--level", type=float, default=0.95, metavar="P", help="confidence (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write readers.html and readers.json to this folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Analyse, print and write."""
    from app.readers.analysis import FIGURES, Question, analyse
    from app.readers.output import reader_study_text, write_reader_study
    from evaluation.multireader import Population

    figure = arguments.figure or ("wafroc" if arguments.lesions else "auc")
    if figure not in FIGURES:
        raise ValueError(f"--figure {figure}: must be one of {', '.join(FIGURES)}")
    if not 0 < arguments.level < 1:
        raise ValueError(f"--level {arguments.level:g}: must be above 0 and below 1, such as 0.95")
    population = Population(readers=arguments.fixed != "readers", cases=arguments.fixed != "cases")
    question = Question(figure, arguments.threshold, population, arguments.covariance, arguments.level)
    study = analyse(arguments.table, question, arguments.lesions)
    sys.stdout.write(f"{reader_study_text(study)}\n")
    if arguments.out:
        written = write_reader_study(study, arguments.out)
        sys.stdout.write(f"written: {', '.join(map(str, written))}\n")
