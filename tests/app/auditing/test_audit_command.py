"""``frugal audit`` from files to files, on made predictions."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from app.cli import main
from app.datalist.file import moved, read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.datalist.splitting import folds, with_validation
from app.findings import ABSENT, PRESENT
from evaluation.predictions import PredictionTable, write_predictions

FINDINGS = ("Nodule", "Effusion", "Mass")
COUNT = 240


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, set[str]]:
    """A study's folder of three folds as `frugal study` leaves it, beside data/labels.json; images with a wrong label.

    Scores are means 3 apart, on a scale of its own in each fold. Every tenth Nodule label is wrong; of Effusion some
    are uncertain and some unknown; Mass is never present.
    """
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, (COUNT, 2)).astype(float)
    label = truth.copy()
    label[::10, 0] = 1 - label[::10, 0]
    label[1::10, 1], label[2::10, 1] = -1, -2
    items = [Item(f"{n:03}.png", f"p{n // 2}", (*map(float, label[n]), 0.0), source="reports") for n in range(COUNT)]
    Path("data").mkdir()
    for item in items[::40]:
        cv2.imwrite(f"data/{item.image}", generator.integers(0, 255, (8, 8), dtype=np.uint8))
    datalist = Datalist.unsplit("made", FINDINGS, items)
    write_datalist(datalist, Path("data/labels.json"))
    score = {item.image: np.append(3 * truth[n] + generator.normal(size=2), 0) for n, item in enumerate(items)}
    for number, fold in enumerate(folds(datalist, 3, False, 0.0, 0)):
        folder = Path(f"study/cells/all/fold-{number}")
        folder.mkdir(parents=True)
        made = Path(f"study/datalists/{number}.json")
        fold = moved(with_validation(fold, 0.2, 0), Path("data/labels.json"), made)
        write_datalist(fold, made)
        logit = np.array([score[Path(item.image).name] for item in fold.sections["test"]]) * (number + 1) + number
        write(folder, fold.sections["test"], logit)
        (folder / "config.yaml").write_text(yaml.safe_dump({"datalist": str(made), "max_epochs": 1}))
        (folder / "model.pt").touch()
    return Path("study"), {item.image for item in items[::10]}


def write(folder: Path, items: list[Item], logit: np.ndarray) -> None:
    image, patient = np.array([item.image for item in items]), np.array([item.patient for item in items])
    label = np.array([item.label for item in items])
    probability = 1 / (1 + np.exp(-logit))
    write_predictions(
        folder / "predictions.csv", PredictionTable(FINDINGS, image, patient, label, probability, {}, logit)
    )


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


WORDS = ["audit", "study", "--datalist", "data/labels.json", "--out", "out"]


def test_planted_labels_come_first_and_are_counted(study, capsys):
    _, wrong = study
    assert main([*WORDS, "--minutes", "20"]) == 0
    text = capsys.readouterr().out
    rows = rows_of("out/audit.csv")
    first = [row["image"] for row in rows if row["finding"] == "Nodule"][:24]
    # Means 3 apart are an AUC of 0.983, at which the true probabilities find 0.85 of 10% wrong labels.
    assert len(wrong.intersection(first)) >= 0.75 * len(wrong) == 18
    assert len(rows) == COUNT + COUNT * 8 // 10  # uncertain and unknown labels of Effusion are not ranked
    assert {row["finding"] for row in rows} == {"Nodule", "Effusion"}
    assert rows[0]["source"] == "reports"
    assert len(rows_of("out/uncertain.csv")) == COUNT // 10
    assert "Mass: 0 present and 240 absent labels are too few: not audited." in text
    assert "similar images by their scores" in text
    listed = rows_of("out/reread.csv")
    assert len(listed) == 40  # 20 minutes at half a minute
    assert sum(row["part"] == "control" for row in rows_of("out/reread_key.csv")) == 6  # 15%
    page = Path("out/audit.html").read_text()
    assert page.count("data:image/png;base64") == 1
    assert rows[0]["image"] in page


def test_rereading_closes_the_loop(study, capsys):
    _, wrong = study
    assert main([*WORDS, "--minutes", "20"]) == 0
    rows, given = rows_of("out/reread.csv"), {}
    for item in read_datalist(Path("data/labels.json")).items():
        given |= {(item.image, name): label for name, label in zip(FINDINGS, item.label, strict=True)}
    for row in rows:
        is_wrong = row["finding"] == "Nodule" and row["image"] in wrong
        truth = given[row["image"], row["finding"]]
        row["label"] = f"{(ABSENT if truth == PRESENT else PRESENT) if is_wrong else truth:g}"
    with Path("out/reread.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    apply = ["audit", "--apply", "out/reread.csv", "--datalist", "data/labels.json", "--out", "new.json"]
    assert main(apply) == 1
    assert "who read it?" in capsys.readouterr().err
    assert main([*apply, "--reader", "R1"]) == 0
    corrected = sum(row["finding"] == "Nodule" and row["image"] in wrong for row in rows)
    assert f"{corrected} of 40 labels changed." in capsys.readouterr().out
    items = {item.image: item for item in read_datalist(Path("new.json")).items()}
    assert items[f"data/{rows[0]['image']}"].source.endswith(f"{rows[0]['finding']} read again by R1")


@pytest.mark.usefixtures("study")
def test_a_network_that_saw_the_patient_is_refused(capsys):
    run = "study/cells/all/fold-0"
    words = ["audit", run, "--datalist", "data/labels.json", "--out", "out"]
    assert main([*words, "--trained-with", "study/datalists/1.json"]) == 1
    error = capsys.readouterr().err
    assert "predictions are of patients in the training or validation section of study/datalists/1.json" in error
    assert not Path("out").exists()
    assert main([*words, "--trained-with", "study/datalists/0.json"]) == 0
    assert "of 240 images have no out-of-fold prediction: not audited." in capsys.readouterr().out


@pytest.mark.usefixtures("study")
def test_a_renamed_patient_and_a_known_image_are_recognised(capsys):
    """The training's datalist may name patients otherwise than the one that is audited."""
    known = Path("study/datalists/0.json")
    datalist = read_datalist(known)
    test = datalist.sections["test"][0]
    other = Item("elsewhere.png", test.patient, test.label)
    datalist.sections = {**datalist.sections, "training": [*datalist.sections["training"], other], "test": []}
    write_datalist(datalist, known)
    assert main(WORDS) == 1
    assert "fold-0/predictions.csv: " in capsys.readouterr().err


@pytest.mark.usefixtures("study")
def test_features_and_another_folder(monkeypatch, capsys):
    images = np.array([f"{n:03}.png" for n in range(COUNT)])
    np.savez("features.npz", image=images, feature=np.random.default_rng(0).normal(size=(COUNT, 6)))
    assert main([*WORDS, "--features", "features.npz"]) == 0
    assert "similar images by their features" in capsys.readouterr().out
    assert all(row["neighbours"] for row in rows_of("out/audit.csv"))
    np.savez("features.npz", image=images[1:], feature=np.ones((COUNT - 1, 2)))
    assert main([*WORDS, "--features", "features.npz"]) == 1
    assert "has no features of 1 of 240 images, such as 000.png" in capsys.readouterr().err
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert main(["audit", "../study", "--datalist", "../data/labels.json", "--out", "out"]) == 0


@pytest.mark.usefixtures("study")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs runs to take predictions from, or --bundle"),
        (["study", "--bundle", "nodule_detection"], "needs runs to take predictions from, or --bundle"),
        (["nothing"], "nothing: no predictions.csv there"),
        (["data"], "data: no predictions.csv there"),
        (["study", "--set", "max_epochs=1"], "--set: only with --bundle"),
        (["study", "--minutes", "0.4"], "does not pay for two labels"),
        (["study", "--features", "data/labels.json"], "not an .npz file"),
        (["study", "--trained-with", "a.json", "b.json"], "--trained-with names 2 datalists for 1"),
        (["--bundle", "nodule_detection", "--set", "epochs"], "must be KEY=VALUE"),
        (["--bundle", "nodule_detection", "--trained-with", "a.json"], "--trained-with: only with RUN"),
        (["study", "--apply", "a.csv"], "--apply takes no RUN"),
        (["--apply", "a.csv"], "with --apply, name the datalist to write"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, words: list[str], message: str):
    assert main(["audit", *words, "--datalist", "data/labels.json", "--out", "out"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_runs_that_cannot_be_audited(study, capsys):
    folder, _ = study
    run = folder / "cells/all/fold-2"
    (run / "model.pt").unlink()
    assert main(WORDS) == 1
    assert "no model.pt and config.yaml of a training beside the predictions" in capsys.readouterr().err
    (run / "predictions.csv").unlink()
    assert main(WORDS) == 1
    assert "fold-2 not finished; run the study to its end first" in capsys.readouterr().err
    (folder / "cells" / "other").mkdir()
    assert main(WORDS) == 1
    assert "has 2 cells; name the runs of one" in capsys.readouterr().err


@pytest.mark.usefixtures("study")
def test_images_of_another_folder_with_the_same_names_are_not_taken(capsys):
    datalist = read_datalist(Path("data/labels.json"))
    Path("data2").mkdir()
    write_datalist(
        datalist.mapped(lambda item: replace(item, patient=f"other {item.patient}")), Path("data2/labels.json")
    )
    assert main(["audit", "study", "--datalist", "data2/labels.json", "--out", "out"]) == 1
    assert "fold-0/predictions.csv: none of its 78 images is in data2/labels.json." in capsys.readouterr().err
