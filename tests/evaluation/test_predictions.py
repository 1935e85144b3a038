"""Prediction tables written, read and refused."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.logits import probability
from evaluation.predictions import PredictionTable, read_predictions, write_predictions

HEADER = "image,patient,finding,label,score\n"


def table(n=4, findings=("Nodule", "Effusion")):
    random = np.random.default_rng(0)
    return PredictionTable(
        findings,
        np.array([f"images/{k}.png" for k in range(n)]),
        np.array([f"p{k // 2}" for k in range(n)]),
        random.integers(-2, 2, (n, len(findings))).astype(float),
        random.random((n, len(findings))),
        {"view": np.array(["PA", "AP"] * (n // 2)), "age": np.array(["60", ""] * (n // 2))},
    )


def written(tmp_path, text):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    return path


def test_reading_gives_what_was_written_to_the_last_bit(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, table())
    read = read_predictions(path)
    assert read.findings == ("Nodule", "Effusion")
    for name in ("image", "patient", "label", "score"):
        np.testing.assert_array_equal(getattr(read, name), getattr(table(), name))
    assert {name: values.tolist() for name, values in read.attributes.items()} == {
        "view": ["PA", "AP", "PA", "AP"],
        "age": ["60", "", "60", ""],
    }


def test_columns_and_rows_may_come_in_any_order_and_labels_in_any_number_format(tmp_path):
    path = written(
        tmp_path,
        "\ufeffscore,finding,image,view,label,patient\n"
        "0.5,A,one,PA,1.0,p\n-inf,B,two,AP,,q\n2,A,two,AP,-1,q\n1e-3,B,one,PA,nan,p\n",
    )
    read = read_predictions(path)
    assert (read.image.tolist(), read.patient.tolist(), read.findings) == (["one", "two"], ["p", "q"], ("A", "B"))
    np.testing.assert_array_equal(read.label, [[1, -2], [-1, -2]])
    np.testing.assert_array_equal(read.score, [[0.5, 0.001], [2, -np.inf]])
    assert read.attributes["view"].tolist() == ["PA", "AP"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column image, patient, finding, label, score; the columns are none"),
        ("image,finding,score\n", "no column patient, label; the columns are image, finding, score"),
        ("image,image,patient,finding,label,score\n", "a column occurs twice"),
        (HEADER + "a,p,F,1,0.5\na,p,F,1,0.6\n", r"image 'a' with finding 'F' occurs more than once \(1 such"),
        (HEADER + "a,p,F,1,0.5\nb,p,G,1,0.6\n", r"image 'a' with finding 'G' has no row \(2 such pairs\)"),
        (HEADER + "a,p,F,1,0.5\nb,p,F,1,nan\n", "line 3: score 'nan' is not a number"),
        (HEADER + "a,p,F,1,high\n", "line 2: score 'high' is not a number"),
        (HEADER + "a,p,F,0.5,1\n", "line 2: label '0.5' is none of 1, 0, -1"),
        (HEADER + "a,p,F,yes,1\n", "line 2: label 'yes' is none of"),
        (HEADER + "a,p,F,1\n", "line 2: 4 cells under 5 columns"),
        (HEADER + "a,p,F,1,1\na,q,G,1,1\n", "line 3: patient is another one than in line 2, of the same image"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as refusal:
        read_predictions(path)
    assert str(path) in str(refusal.value)


def with_logits() -> PredictionTable:
    """Logits beyond what a probability can tell apart."""
    given = table(6)
    logit = np.concatenate([np.arange(36.0, 42).reshape(3, 2), [[-800, 800], [np.inf, -np.inf], [1 / 3, -1e-300]]])
    return replace(given, logit=logit, score=probability(logit))


def test_logits_are_read_to_the_last_bit_and_rank(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, with_logits())
    read = read_predictions(path)
    np.testing.assert_array_equal(read.logit, with_logits().logit)
    np.testing.assert_array_equal(read.score, with_logits().score)
    assert read.rank is read.logit
    assert set(read.attributes) == {"view", "age"}
    np.testing.assert_array_equal(read.rows(np.array([2, 0])).logit, with_logits().logit[[2, 0]])


def test_a_table_without_logits_ranks_by_its_scores(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, table())
    assert path.read_text().splitlines()[0] == "image,patient,finding,label,score,view,age"
    read = read_predictions(path)
    assert read.logit is None
    assert read.rank is read.score


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,p,F,1,0.5,high", "line 3: logit 'high' is not a number"),
        ("a,p,F,1,0.5,", "line 3: logit '' is not a number"),
        ("a,p,F,1,0.9,0.0", "line 3: score 0.9 is not the probability of logit 0, and .* leave the column logit out"),
    ],
)
def test_logits_that_are_not_those_of_the_scores_are_refused(tmp_path, row, message):
    path = written(tmp_path, f"image,patient,finding,label,score,logit\nb,p,F,0,0.5,0\n{row}\n")
    with pytest.raises(ValueError, match=message):
        read_predictions(path)


def test_an_empty_table_is_a_table(tmp_path):
    read = read_predictions(written(tmp_path, HEADER))
    assert read.score.shape == (0, 0)


def test_lines_are_counted_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.predictions.ROWS_AT_ONCE", 2)
    rows = "".join(f"i{k},p,F,1,{'x' if k == 5 else 1}\n" for k in range(8))
    with pytest.raises(ValueError, match="line 7: score 'x'"):
        read_predictions(written(tmp_path, HEADER + rows))
    assert len(read_predictions(written(tmp_path, HEADER + rows.replace("x", "1"))).image) == 8


def test_nothing_is_written_of_a_wrong_table(tmp_path):
    path = tmp_path / "predictions.csv"
    bad = table()
    bad.score[0, 0] = np.nan
    with pytest.raises(ValueError, match="1 scores are NaN; nothing was written"):
        write_predictions(path, bad)
    bad = table()
    bad.label[0, 0] = 0.25
    with pytest.raises(ValueError, match=r"label 0\.25 is none of"):
        write_predictions(path, bad)
    assert not path.exists()


def test_a_table_must_fit_together():
    good = table()
    with pytest.raises(ValueError, match=r"must both have shape \(4, 1\)"):
        PredictionTable(("Nodule",), good.image, good.patient, good.label, good.score)
    with pytest.raises(ValueError, match=r"patient has shape \(2,\), but there are 4 images"):
        PredictionTable(good.findings, good.image, good.patient[:2], good.label, good.score)


@pytest.mark.parametrize(
    ("row", "name"), [(",p,N,1,0.5", "image"), ("a,,N,1,0.5", "patient"), ("a,p,,1,0.5", "finding")]
)
def test_every_row_names_image_patient_and_finding(tmp_path, row, name):
    path = tmp_path / "predictions.csv"
    path.write_text(f"image,patient,finding,label,score\nb,q,N,0,0.1\n{row}\n")
    with pytest.raises(ValueError, match=f"predictions.csv, line 3: no {name} is named"):
        read_predictions(path)


def test_nothing_without_a_patient_is_written(tmp_path):
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="1 patient names are empty; nothing was written"):
        write_predictions(tmp_path / "a.csv", PredictionTable(("N",), np.array(["a"]), np.array([""]), one, one))
    assert not (tmp_path / "a.csv").exists()


def test_recalibrated_scores_that_rise_with_their_logits_are_read(tmp_path):
    rows = "a,p,F,0,0.1,-3\nb,p,F,0,0.2,0\nc,p,F,1,0.2,1\nd,p,F,1,0.6,5\n"
    read = read_predictions(written(tmp_path, f"image,patient,finding,label,score,logit\n{rows}"))
    assert read.rank[:, 0].tolist() == [-3, 0, 1, 5]
    with pytest.raises(ValueError, match=r"line 2: score 0.1 .* do not rise with their logits"):
        read_predictions(written(tmp_path, f"image,patient,finding,label,score,logit\n{rows.replace('0.6', '0.19')}"))
