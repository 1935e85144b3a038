"""The page of a made paper: its numbers beside ours, and verdicts by hand."""

from pathlib import Path

import pytest

from app.papers.declaration import Paper
from app.papers.gathered import gather
from app.papers.page import page
from app.papers.results import Results
from app.papers.running import write_page

PICTURES = "[kappa/kappa.png, made_study/auc.png]"


def test_numbers_stand_beside_ours(paper: Paper, results: Path):
    text = page(gather(paper, Results(results)), {})
    # By hand: 100 times the means and limits of the study's table; the printed "-" is not looked up.
    assert "| Boxes | paper | 60.5 ± 1.0 | 80.0 |\n|  | small | 60.0 [35.2, 84.8] | 80.0 [55.2, 104.8] |" in text
    assert "| Contours | paper | 70.0 | - |\n|  | small | 70.0 [45.2, 94.8] |  |" in text
    assert (
        "| Nodule | paper | 0.72 |\n|  | small | 0.50 [0.25, 0.75] |\n| Mass | paper | ? |\n|  | small | n/a |" in text
    )
    assert "- small lacks Mass: there is none." in text
    assert "- Table 1, published: the data is private." in text
    # 3 + 3 + 3 + 2 runs of auc.macro, of four cells and three seeds.
    assert "study.yaml` (4 cells of 3 seeds, 11 of 12 runs finished)" in text


def test_verdicts(paper: Paper, results: Path):
    # Paired by seed: contours minus boxes is +10 three times, and so is many minus few for boxes (+20): no spread, so
    # their intervals are points above zero. The printed "-" leaves one pair to each. 70 and 60 are alike within 20.
    text = page(gather(paper, Results(results)), {})
    assert "| Table 1 | Contours are better. | holds in 1 of 1 | holds in 1 of 1 |" in text
    assert "| Table 1 | More is better. | holds in 1 of 1 | holds in 1 of 1 |" in text
    assert "| Table 1 | Boxes and contours are alike with few. | holds in 1 of 1 | holds in 1 of 1 |" in text


def test_what_does_not_hold_is_shown(paper: Paper, results: Path):
    table = results / "made_study/table.csv"
    # Differences -30, +10, -25 in percent: mean -15; by hand, SD 21.8, t(2) = 4.303, half-width 54.1.
    table.write_text(table.read_text().replace("0.6,0.7,0.8\nauc.macro,contour,4", "0.2,0.7,0.45\nauc.macro,contour,4"))
    text = page(gather(paper, Results(results)), {})
    assert "- small: does not hold in 1 of 1.\n  - Contours > Boxes at few: -15.0 [-69.1, +39.1], does not hold" in text
    assert "- small: holds in the mean only in 1 of 1.\n  - Boxes and Contours at few: +15.0 [-39.1, +69.1]" in text


def test_a_cell_that_ran_once_is_compared_with_the_mean_of_the_other(paper: Paper, results: Path):
    table = results / "made_study/table.csv"
    # As an ensemble has: 0.9 of the first seed alone. By hand, 90 - 60, the mean of 50, 60 and 70; the first is 50.
    table.write_text(table.read_text().replace("2,3,0.7,0.1,0.4516,0.9484,0.6,0.7,0.8", "2,1,0.9,,,,0.9,,"))
    text = page(gather(paper, Results(results)), {})
    assert "  - Contours > Boxes at few: +30.0, holds in the mean only" in text


@pytest.mark.parametrize(("p", "shown"), [("2e-7", "<0.0001"), ("0.0004", "0.0004"), ("", "undefined")])
def test_no_p_is_zero(declaration: Path, results: Path, p: str, shown: str):
    from app.papers.reading import read_paper

    declaration.write_text(declaration.read_text().replace("value: kappa", "value: p"))
    (results / "kappa/kappa.csv").write_text(f"finding,p\nNodule,{p}\n")
    text = page(gather(read_paper(declaration), Results(results)), {})
    assert f"| Nodule | paper | 0.72 |\n|  | small | {shown} |" in text


def test_one_pair_each_way(paper: Paper, declaration: Path, results: Path):
    from app.papers.reading import read_paper

    declaration.write_text(declaration.read_text().replace('70.0, "-"', "70.0, 90.0"))
    table = results / "made_study/table.csv"
    table.write_text(table.read_text().replace("0.7,0.1,-0.1985,1.5985,0.6,,0.8", "0.7,0.1,0.6,0.8,0.6,0.7,0.8"))
    text = page(gather(read_paper(declaration), Results(results)), {})
    # At "many" contours are at 0.7 and boxes at 0.8, each seed 0.1 below: contradicted.
    assert "| Table 1 | Contours are better. | holds in 2 of 2 | holds in 1 of 2, is contradicted in 1 |" in text
    assert "  - Contours > Boxes at many: -10.0 [-10.0, -10.0], is contradicted" in text


def test_undefined_and_unmeasured_differ(paper: Paper, results: Path):
    table = results / "made_study/table.csv"
    table.write_text(table.read_text().replace("auc.macro,box,2,3,0.6,0.1,0.3516,0.8484", "auc.macro,box,2,3,,,,"))
    assert "|  | small | undefined |" in page(gather(paper, Results(results)), {})
    table.write_text(table.read_text().replace("auc.macro,box,2,3,,,,,0.5,0.6,0.7", "auc.macro,box,2,0,,,,,,,"))
    text = page(gather(paper, Results(results)), {})
    assert "|  | small | n/a |" in text
    assert "| Table 1 | Contours are better. | holds in 1 of 1 | is not measured in 1 of 1 |" in text


def test_the_same_results_give_the_same_bytes(paper: Paper, results: Path, tmp_path: Path):
    pages = [tmp_path / name / "paper.md" for name in ("a", "b")]
    for file in pages:
        write_page(paper, results, file)
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert str(tmp_path / "results") not in pages[0].read_text()


def test_nothing_has_run(paper: Paper, tmp_path: Path):
    text = page(gather(paper, Results(tmp_path / "none")), {})
    assert "| Table 1 | Contours are better. | holds in 1 of 1 |\n" in text
    assert "(12 runs) has not run.\n" in text
    assert "has not run; it needs `data/made.json`, `data/bought.json`.\n" in text
    assert "- `data/made.json`: `frugal phantom --out data/made`.\n- `data/bought.json`: buy it.\n" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("a,b,Nodule", "a,b,Nodule,1\na,b,Nodule", "2 rows match: kappa where finding=Nodule"),
        ("finding,kappa", "which,kappa", "no column 'finding'"),
    ],
)
def test_a_damaged_table_is_named(paper: Paper, results: Path, old: str, new: str, message: str):
    path = results / "kappa/kappa.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=rf"kappa\.csv: {message}"):
        gather(paper, Results(results))


def test_a_drawn_table_has_a_picture(declaration: Path, results: Path, tmp_path: Path):
    from app.papers.reading import read_paper

    declaration.write_text(declaration.read_text().replace("title: kappa", "title: kappa\n    draw: true"))
    declaration.write_text(declaration.read_text().replace("value: kappa", f"value: kappa\n      pictures: {PICTURES}"))
    (results / "kappa/kappa.png").write_bytes(b"\x89PNG")
    write_page(read_paper(declaration), results, tmp_path / "docs/paper.md")
    assert (tmp_path / "docs/paper_fig_2_small_kappa.png").read_bytes() == b"\x89PNG"
    assert "![Fig. 2, small](paper_fig_2_small.png)" in (tmp_path / "docs/paper.md").read_text()
    assert "- small: the picture `made_study/auc.png` is not there." in (tmp_path / "docs/paper.md").read_text()
    assert (tmp_path / "docs/paper_fig_2_small.png").read_bytes().startswith(b"\x89PNG")
