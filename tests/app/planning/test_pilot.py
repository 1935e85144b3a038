"""Pilots from a study's table."""

from pathlib import Path

import numpy as np
import pytest

from app.planning.pilot import read_pilots

TABLE = """metric,level,n,mean,seed_0,seed_1,n_image,n_box
auc.macro,a,2,0.7,0.68,0.72,100,0
auc.macro,b,2,0.8,0.80,0.80,400,0
auc.macro,c,2,0.9,0.86,0.94,0,110
auc.macro,d,2,0.9,0.90,,50,50
auc.macro,e,0,,,,,
auc.Nodule,a,2,0.7,0.6,0.6,100,0
auc.Nodule,b,2,0.8,0.7,0.7,400,0
auc.Nodule,c,2,0.9,0.8,0.8,0,110
auc.Nodule,d,1,0.9,0.8,,50,50
seconds,a,2,20,20,40,100,0
"""


def table(folder: Path, text: str = TABLE) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def test_cells_are_read_with_a_pooled_error(tmp_path):
    table(tmp_path)
    (pilot,) = read_pilots(tmp_path, "auc.macro")
    assert pilot.levels == ("image", "box")
    assert pilot.sizes.tolist() == [[100, 0], [400, 0], [0, 110], [50, 50]]
    assert pilot.mean == pytest.approx([0.7, 0.8, 0.9, 0.9])
    # By hand: squares 0.0008, 0, 0.0032 and 0 over 1, 1, 1 and 0 degrees of freedom. Too few of like size, so all are
    # pooled: a variance of 0.004 / 3 for a run, and half of that for the mean of two.
    variance = 0.004 / 3
    assert pilot.error == pytest.approx(np.sqrt([variance / 2] * 3 + [variance]))
    assert pilot.spread == pytest.approx(np.sqrt(variance))  # of a run of the cell with 400 images
    assert pilot.seconds[0] == 30
    assert np.isnan(pilot.seconds[1:]).all()
    assert pilot.mixed.tolist() == [False, False, False, True]
    assert pilot.quality == pytest.approx([0.4, 0.6, 0.8, 0.8])


def test_cells_of_like_size_share_their_variance(tmp_path):
    rows = [f"auc.macro,{n},0.{5 + n}1,0.{5 + n}3,0.{5 + n}2,{100 + n}" for n in range(3)]
    rows += [f"auc.macro,{n},0.{5 + n}0,0.{5 + n}0,0.{5 + n}0,{1000 + n}" for n in range(3)]
    table(tmp_path, "\n".join(["metric,cell,seed_0,seed_1,seed_2,n_image", *rows]))
    (pilot,) = read_pilots(tmp_path, "auc.macro")
    # By hand: 0.51, 0.53, 0.52 have a variance of 0.0001; the larger cells none.
    assert pilot.error == pytest.approx([np.sqrt(0.0001 / 3)] * 3 + [0.0] * 3)


def test_the_worst_finding_takes_the_pilots_of_all(tmp_path):
    assert [pilot.metric for pilot in read_pilots(table(tmp_path), "auc.worst")] == ["auc.Nodule"]


@pytest.mark.parametrize(
    ("text", "metric", "message"),
    [
        (TABLE, "auc.makro", "no metric 'auc.makro'; there are auc.macro, .* Did you mean 'auc.macro'"),
        (TABLE.replace("n_image,n_box", "i,b"), "auc.macro", "no column with images by level"),
        (TABLE.replace("seed_0,seed_1", "first,second"), "auc.macro", "no column of a seed"),
        (TABLE.replace("metric,", "name,"), "auc.macro", "no column 'metric'"),
        (TABLE.replace("0.68", "1.68"), "auc.macro", "line 2: seed_0: '1.68' is no number from 0 to 1"),
        (TABLE.replace("100,0", "-5,0"), "auc.macro", "line 2: n_image: '-5' is no number 0 or more"),
        (TABLE.replace("400,0", "100,0"), "auc.macro", "line 3: has as many images of each level as .*line 2"),
        (TABLE.replace(",0.72,", ",,").replace(",0.80,4", ",,4").replace(",0.94,", ",,"), "auc.macro", "two seeds"),
        ("\n".join(TABLE.splitlines()[:3]), "auc.macro", "2 cells with images and values; a pilot needs 3 or more"),
        (TABLE.replace("auc.Nodule", "dice.Nodule"), "auc.worst", "needs the findings' own rows"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text: str, metric: str, message: str):
    with pytest.raises(ValueError, match=rf"table\.csv.*{message}"):
        read_pilots(table(tmp_path, text), metric)
