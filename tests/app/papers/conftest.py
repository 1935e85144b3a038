"""A made paper: one table of two rows and two columns from a study, one from a command, and results for both."""

from pathlib import Path

import pytest

from app.papers.declaration import Paper
from app.papers.reading import read_paper

STUDY = """\
name: made_study
bundle: nodule_detection
factors:
  level: {box: {}, contour: {}}
  batch_size: [2, 4]
seeds: [0, 1, 2]
report: {metrics: [auc.macro, dice.macro]}
"""
DECLARATION = """\
name: maker
title: A made paper
reference: Maker 2020
sizes: {small: Two images., published: Many images.}
needs:
  data/made.json: [frugal phantom --out data/made]
  data/bought.json: buy it
tables:
  Table 1:
    title: AUC x 100
    columns: [few, many]
    rows:
      Boxes: ["60.5 ± 1.0", 80.0]
      Contours: [70.0, "-"]
    spread: standard deviation over three seeds
    times: 100
    small:
      study: STUDY
      metric: auc.macro
      rows: {Boxes: {level: box}, Contours: {level: contour}}
      columns: {few: {batch_size: 2}, many: {batch_size: 4}}
    published: {absent: the data is private}
    claims:
      - says: Contours are better.
        order: {rows: [Contours, Boxes]}
      - says: More is better.
        order: {columns: [many, few]}
      - says: Boxes and contours are alike with few.
        order: {cells: [[Boxes, few], [Contours, few]]}
        within: 20
  Fig. 2:
    title: kappa
    columns: [ours]
    rows: {Nodule: [0.72], Mass: ["?"]}
    small:
      commands:
        - frugal datalist agree data/made.json data/bought.json --csv '{out}/kappa/kappa.csv'
      file: kappa/kappa.csv
      value: kappa
      at: {finding: "{row}"}
      absent: {Mass: there is none}
    published: {absent: the data is private}
"""
TABLE = """\
metric,level,batch_size,n,mean,sd,lower,upper,seed_0,seed_1,seed_2
auc.macro,box,2,3,0.6,0.1,0.3516,0.8484,0.5,0.6,0.7
auc.macro,box,4,3,0.8,0.1,0.5516,1.0484,0.7,0.8,0.9
auc.macro,contour,2,3,0.7,0.1,0.4516,0.9484,0.6,0.7,0.8
auc.macro,contour,4,2,0.7,0.1,-0.1985,1.5985,0.6,,0.8
dice.macro,box,2,3,0.1,0.1,0,0.2,0.1,0.1,0.1
"""
KAPPA = "first,second,finding,kappa,kappa_lower,kappa_upper\na,b,Nodule,0.5,0.25,0.75\n"


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    """The declaration of a bundle in a folder."""
    bundle = tmp_path / "made"
    for folder in ("configs", "docs", "studies"):
        (bundle / folder).mkdir(parents=True)
    study = bundle / "studies/study.yaml"
    study.write_text(STUDY)
    path = bundle / "docs/paper.yaml"
    path.write_text(DECLARATION.replace("STUDY", str(study)))
    return path


@pytest.fixture
def paper(declaration: Path) -> Paper:
    """The paper that it declares."""
    return read_paper(declaration)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results."""
    folder = tmp_path / "results"
    for name, text in {"made_study/table.csv": TABLE, "kappa/kappa.csv": KAPPA}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return folder
