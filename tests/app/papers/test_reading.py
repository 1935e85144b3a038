"""Declarations: what is wrong with one is said in a line, and every one that ships is right."""

import math
import re
from pathlib import Path

import pytest

from app.installed import find_study, short_name
from app.papers.declaration import NO_CELL, NO_NUMBER, Paper
from app.papers.gathered import gather
from app.papers.page import page
from app.papers.printed import parse_printed
from app.papers.reading import PAGE, find_paper, paper_files, read_paper
from app.papers.results import Results
from app.papers.steps import steps

PRIVATE = "    published: {absent: the data is private}\n"
WRONG = {
    "unknown key": ("name: maker", "nam: maker", "unknown 'nam'.*Did you mean 'name'"),
    "no title": ("title: A made paper\n", "", "title: is missing"),
    "no cell": ('"60.5 ± 1.0"', "about 60", "Table 1: Boxes / few: 'about 60' is no printed cell"),
    "too few cells": ('["60.5 ± 1.0", 80.0]', "[80.0]", "row 'Boxes': must list 2 cells"),
    "size left out": (f"{PRIVATE}    claims", "    claims", "nothing for the size 'published'"),
    "unknown metric": ("metric: auc.macro", "metric: auc.micro", "metrics that .* reports: unknown 'auc.micro'"),
    "unknown factor": ("{level: box}", "{leve: box}", "factors of .*: unknown 'leve'"),
    "unknown value": ("{level: box}", "{level: boxes}", "values of level in .*: unknown 'boxes'"),
    "ambiguous": ("few: {batch_size: 2}, ", "", "2 cells of .* match .*; say also which batch_size"),
    "unknown row": ("{rows: [Contours, Boxes]}", "{rows: [Contours, Box]}", "claim 1: order: rows: unknown 'Box'"),
    "one rank": ("{rows: [Contours, Boxes]}", "{rows: [Contours]}", "must list two or more"),
    "cells at": ("within: 20", "at: [few]", "'at' does not go with cells"),
    "no picture": ("value: kappa\n", "value: kappa\n      pictures: [a.svg]\n", "must be PNG files"),
    "no number of times": ("times: 100", "times: 0", "times: must be a number above 0, not 0"),
    "no reason": ("{absent: the data is private}", '{absent: ""}', "absent: must say why"),
    "no way": ("data/bought.json: buy it", "data/bought.json: []", r"needs: data/bought\.json: say how to get it"),
    "no pair": ("[Boxes, few], [Contours, few]", "[Boxes, few], [Contours, many]", "no two printed cells"),
    "bound": ("within: 20", "within: 0", "within: must be a number above 0"),
    "not ours": ("frugal datalist agree", "rm -r", 'rm -r .* is no command of ours'),
    "way out": ("file: kappa/kappa.csv", "file: ../kappa.csv", "must be a path below the folder of results"),
    "no column": ("      value: kappa\n", "", "'value' must name the column"),
    "set twice": ("few: {batch_size: 2}", "few: {batch_size: 2, level: box}", "both set 'level'"),
    "absent of what": ("{Mass: there is none}", "{Edema: there is none}", "absent: unknown 'Edema'"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(declaration: Path, old: str, new: str, message: str):
    text = declaration.read_text()
    assert old in text
    declaration.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as caught:
        read_paper(declaration)
    assert str(caught.value).startswith(f"{declaration}: ")
    assert "\n" not in str(caught.value)


def test_a_datalist_of_a_study_must_be_explained(declaration: Path):
    study = declaration.parents[1] / "studies/study.yaml"
    study.write_text(study.read_text() + "data: {datalist: data/other.json}\n")
    with pytest.raises(
        ValueError, match=r"needs: the study .* reads data/other\.json; say under 'needs' how to get it"
    ):
        read_paper(declaration)


@pytest.mark.parametrize(
    ("given", "value", "decimals"),
    [(0.818, 0.818, 3), (1, 1, 0), ("16,939 (8.9)", 16939, 0), ("< 0.001", 0.001, 3), (".046 ± .02", 0.046, 3)],
)
def test_printed_cells(given: object, value: float, decimals: int):
    printed = parse_printed(given, "here")
    assert (printed.value, printed.decimals, printed.text) == (value, decimals, str(given))


@pytest.mark.parametrize("given", [None, True, "", "±", "1.2K", "92,4", [1], "--"])
def test_no_printed_cells(given: object):
    with pytest.raises(ValueError, match=r"here: .* is no printed cell"):
        parse_printed(given, "here")


def test_papers_are_found_by_both_names(declaration: Path):
    assert find_paper("limited_annotation") == find_paper("rozenberg")
    assert find_paper(str(declaration.parents[1])) == declaration
    with pytest.raises(FileNotFoundError, match="Did you mean 'rozenberg'"):
        find_paper("rosenberg")


def test_rows_may_name_studies_of_their_own(declaration: Path):
    study = str(declaration.parents[1] / "studies/study.yaml")
    text = declaration.read_text().replace(f"      study: {study}\n", "")
    with pytest.raises(ValueError, match="Table 1: small: give 'study'"):
        read_paper(_written(declaration, text))
    text = text.replace("{level: box}", f"{{level: box, study: {study}}}")
    with pytest.raises(ValueError, match="Contours / few: no 'study' is named for it"):
        read_paper(_written(declaration, text))
    text = text.replace("{level: contour}", f"{{level: contour, study: {study}}}")
    assert read_paper(_written(declaration, text)).tables["Table 1"].sources["small"].studies == (study,)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_example_of_the_docs(declaration: Path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", Path("docs/papers.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    study = declaration.parents[1] / "studies/study.yaml"
    study.write_text(
        "name: levels\nbundle: nodule_detection\nfactors:\n  level: {box: {}, contour: {}}\n  size: {100: {}}\n"
        "  network: {small: {}}\n"
    )
    example, commands = blocks[0].replace("nodule_detection/levels", str(study)), blocks[1]
    figure = "  Fig. 1:\n    columns: [kappa]\n    rows: {Nodule: [0.7]}\n    published: {absent: it is private}\n"
    declaration.write_text(example + figure + commands)
    paper = read_paper(declaration)
    assert list(paper.tables) == ["Table 1", "Fig. 1"]
    assert paper.tables["Fig. 1"].sources["small"].places["Nodule", "kappa"].where == {"finding": "Nodule"}


@pytest.mark.parametrize("path", paper_files(), ids=short_name)
def test_every_paper_that_ships(path: Path, tmp_path: Path):
    paper = read_paper(path)  # strict: its studies, factors, values and metrics exist
    assert list(paper.sizes) == ["small", "published"]
    for table in paper.tables.values():
        for row, cells in table.rows.items():
            wrong = [
                name for name, cell in cells.items() if math.isnan(cell.value) != (cell.text in (NO_CELL, NO_NUMBER))
            ]
            assert not wrong, (table.name, row)
        for size in paper.sizes:
            assert table.sources[size].absent or steps(paper, size, [table.name]) or table.sources[size].pictures
    for study in paper.sweeps:
        assert find_study(study).is_file()
    _assert_page_is_of(paper, page(gather(paper, Results(tmp_path)), {}))


def _assert_page_is_of(paper: Paper, empty: str) -> None:
    """The committed page has the declared tables with their printed rows, and the declared claims."""
    file = paper.path.parents[1] / PAGE
    if file.exists():
        pattern = re.compile(r"^(?:#+ .*|\| .* \| paper \|.*|\*\*.*)$", re.MULTILINE)
        assert pattern.findall(empty) == pattern.findall(file.read_text()), f"write {short_name(file)} again"
