"""``frugal next`` from files to files, and back from Label Studio and CVAT."""

import json
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from app.cli import main
from app.commands.next import STRATEGIES
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist, Item
from app.selection import selection

FINDINGS = ("Nodule", "Effusion", "Mass")
"""Nobody predicts or labels the last one."""
IMAGES = 40
SIZE = (16, 24)
PRICES = "unit: minutes\npool: 40\nprevalence: 0.2\nlevels: {image: {each: 1}, box: {each: 1, each_positive: 2}}\n"
TRUTH = {f"images/{number}.png": (int(number % 8 == 0), int(number % 3 == 0)) for number in range(IMAGES)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pool of 40 images, each of a patient; a run's datalist; predictions with noise; prices."""
    (tmp_path / "images").mkdir()
    generator = np.random.default_rng(0)
    for name in TRUTH:
        cv2.imwrite(str(tmp_path / name), generator.integers(0, 255, SIZE, np.uint8))
    items = [Item(name, f"p{number}", (-2, -2, -2)) for number, name in enumerate(TRUTH)]
    write_datalist(Datalist.unsplit("pool", FINDINGS, items), tmp_path / "pool.json")
    trained = Datalist.unsplit("trained", FINDINGS, [Item("a.png", "t1", (1, 0, 0)), Item("b.png", "t2", (0, 1, 0))])
    trained.sections["test"] = [Item("c.png", "p39", (0, 0, 0))]
    write_datalist(trained, tmp_path / "trained.json")
    rows = ["image,finding,score,logit,threshold,called"]
    for name, labels in TRUTH.items():
        for finding, label in zip(FINDINGS, labels, strict=False):
            score = 0.3 + 0.4 * label + 0.1 * generator.uniform()
            rows.append(f"{name.removeprefix('images/')},{finding},{score},,0.5,{int(score > 0.5)}")
    (tmp_path / "predictions.csv").write_text("\n".join(rows))
    (tmp_path / "prices.yaml").write_text(PRICES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


WORDS = ["next", "--pool", "pool.json", "--prices", "prices.yaml", "--budget", "30", "--used", "trained.json"]
SCORED = [*WORDS, "--predictions", "predictions.csv"]


def from_label_studio(tasks: Path, export: Path) -> None:
    """What Label Studio exports if readers take each prediction as it is and draw a box around what is present."""
    content = json.loads(tasks.read_text())
    about = {"original_width": SIZE[1], "original_height": SIZE[0], "image_rotation": 0, "to_name": "image"}
    for task in content:
        assert task["annotations"] == []
        results = list(task["predictions"][0]["result"])
        present = [each["from_name"] for each in results if each["value"]["choices"] == ["present"]]
        if "box" in tasks.parts:
            box = {"x": 25, "y": 50, "width": 25, "height": 25, "rotation": 0}
            results += [
                {"id": f"b{k}", "type": "rectanglelabels", "from_name": "box", **about}
                | {"value": {**box, "rectanglelabels": [name]}}
                for k, name in enumerate(present)
            ]
        task["annotations"] = [{"completed_by": 1, "result": results}]
    export.write_text(json.dumps(content))


def test_there_and_back_by_label_studio(folder: Path, capsys: pytest.CaptureFixture):
    assert main([*SCORED, "--level", "box", "--strategy", "rare", "--rare", "Nodule", "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert "left out: images of patients in a validation or test section: 1" in text
    chosen = {Path(item.image).name: item for item in read_datalist(folder / "out/next.json").items()}
    assert "39.png" not in chosen
    assert {"random", "rare"} == {item.attributes["chosen_by"] for item in chosen.values()}
    assert "chosen_by" not in (folder / "out/image/label-studio/tasks.json").read_text()
    exports = []
    for level in ("image", "box"):
        from_label_studio(folder / f"out/{level}/label-studio/tasks.json", folder / f"{level}.json")
        exports += ["--annotations", f"{level}.json"]
    words = ["datalist", "folder", "--images", "images", *exports, "--each-image-a-patient", "--keep-names"]
    assert main([*words, "--out", "back.json"]) == 0
    back = read_datalist(folder / "back.json")
    columns = [back.findings.index(name) for name in FINDINGS[:2]]
    items = {Path(item.image).name: item for item in back.items()}
    assert items.keys() == chosen.keys()
    for name, item in items.items():
        assert tuple(item.label[column] for column in columns) == TRUTH[f"images/{name}"]
        is_boxed = chosen[name].attributes["level"] == "box"
        assert is_boxed == any(TRUTH[f"images/{name}"])
        assert {box.finding for box in item.boxes} == {
            finding for finding, label in zip(FINDINGS, TRUTH[f"images/{name}"], strict=False) if label and is_boxed
        }
    capsys.readouterr()
    assert main(["next", "--evaluate", "back.json", "--chosen", "out/next.json"]) == 0
    text = capsys.readouterr().out
    known = [items[name].label[columns[0]] for name, item in chosen.items() if item.attributes["chosen_by"] == "rare"]
    assert f"Nodule: present in {sum(known):g} of {len(known)} chosen" in text
    assert "effective cases" in (folder / "out/evaluation.html").read_text()


def test_there_and_back_by_cvat(folder: Path):
    assert main([*SCORED, "--out", "out"]) == 0
    words = ["--images", "images", "--annotations", "out/image/cvat", "--each-image-a-patient", "--keep-names"]
    assert main(["datalist", "folder", *words, "--out", "back.json"]) == 0
    back = read_datalist(folder / "back.json")
    columns = [back.findings.index(name) for name in FINDINGS[:2]]
    labels = {f"images/{Path(item.image).name}": item.label for item in back.items()}
    # Images on which nothing is suggested have a tag of their own, so their labels are absent rather than not said.
    assert {name: tuple(label[column] for column in columns) for name, label in labels.items()} == {
        name: TRUTH[name] for name in labels
    }
    assert len(labels) == len(read_datalist(folder / "out/next.json").items()) == 30


def test_the_command_offers_every_strategy():
    assert tuple(selection.STRATEGIES) == STRATEGIES


def test_blind_readers_see_nothing(folder: Path):
    assert main([*SCORED, "--out", "out", "--blind"]) == 0
    tasks = json.loads((folder / "out/image/label-studio/tasks.json").read_text())
    assert all(task["annotations"] == task["predictions"] == [] for task in tasks)
    root = ElementTree.parse(folder / "out/image/cvat/annotations.xml").getroot()
    assert [len(image) for image in root.findall("image")] == [0] * 30


def test_nothing_that_was_used_is_chosen(folder: Path, capsys: pytest.CaptureFixture):
    """A link and a copy under other patients; an image of training that nobody annotated may be chosen."""
    os.link(folder / "images/0.png", folder / "link.png")
    shutil.copy(folder / "images/1.png", folder / "copy.png")
    used = read_datalist(folder / "trained.json")
    used.sections["validation"] = [Item("link.png", "v1", (0, 0, 0))]
    used.sections["training"] += [Item("copy.png", "v2", (0, 0, 0)), Item("images/2.png", "v3", (-2, -2, -2))]
    write_datalist(used, folder / "trained.json")
    pool = read_datalist(folder / "pool.json")
    pool.sections["training"][3].annotated = ("Nodule",)
    write_datalist(pool, folder / "pool.json")
    assert main([*SCORED, "--budget", "40", "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert "left out: images in a validation or test section under another patient: 1" in text
    assert "left out: images annotated in a training section: 1" in text
    assert "left out: images of the pool whose findings are located already: 1" in text
    names = {Path(item.image).name for item in read_datalist(folder / "out/next.json").items()}
    assert names == {f"{number}.png" for number in (2, *range(4, 39))}


def test_a_second_batch_has_other_images(folder: Path):
    assert main([*SCORED, "--out", "one"]) == 0
    assert main([*SCORED, "--used", "one/next.json", "--out", "two"]) == 0
    one, two = ({item.image for item in read_datalist(folder / name / "next.json").items()} for name in ("one", "two"))
    assert (len(one), len(two), one & two) == (30, 9, set())  # 39 can be chosen


def test_a_pilot_chooses_the_level(folder: Path, capsys: pytest.CaptureFixture):
    rows = ["metric,n_image,n_box,seed_0,seed_1"]
    for image, box in ((10, 0), (40, 0), (0, 10), (0, 40), (20, 20)):
        worth = image + 30 * box  # a box costs 1.4 and is worth 30 labels
        area = 0.5 + 0.45 * worth / (worth + 300)
        rows.append(f"auc.macro,{image},{box},{area - 0.01},{area + 0.01}")
    (folder / "table.csv").write_text("\n".join(rows))
    assert main([*SCORED, "--pilot", "table.csv", "--out", "out"]) == 0
    assert "By the pilot, box gains most for the money; image" in capsys.readouterr().out
    assert (folder / "out/box/cvat/annotations.xml").is_file()


def test_runs_score_the_pool_as_predict_does(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.views.frontal_only", lambda preprocessing, any_view: preprocessing)  # noise is no chest
    assert main(["next", "annotation_cost", *WORDS[1:], "--strategy", "uncertain", "--out", "out"]) == 0
    scored = (folder / "out/predictions/1/predictions.csv").read_text().splitlines()
    assert not (folder / "out/predictions/1/overlays").exists()
    assert main(["predict", "annotation_cost", "images", "--output_dir", "predicted"]) == 0
    predicted = (folder / "predicted/predictions.csv").read_text().splitlines()
    assert sorted(line.removeprefix("images/") for line in scored) == sorted(predicted)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["next"], "needs --pool, --prices, --budget, --out"),
        ([*SCORED, "--out", "."], ".: is not empty"),
        ([*SCORED, "--out", "o", "--budget", "nan"], "--budget nan: must be a number above 0"),
        ([*SCORED, "--out", "o", "--budget", "0.5"], "--budget 0.5: does not pay for one image"),
        ([*SCORED, "--out", "o", "--random", "0"], "--random 0: must be from 0.05 to 1"),
        ([*SCORED, "--out", "o", "--strategy", "committee"], "a committee needs the runs of two seeds"),
        ([*SCORED, "--out", "o", "--predictions", "predictions.csv"], "predictions.csv: is named twice"),
        ([*SCORED, "--out", "o", "--rare", "Nodul"], "unknown finding 'Nodul'"),
        ([*SCORED, "--out", "o", "--rare", "Mass"], "--rare Mass: no run predicts this finding"),
        ([*SCORED, "--out", "o", "--level", "outline"], "no price of level 'outline' (it has image, box of"),
        ([*WORDS, "--out", "o"], "nothing scores the pool: name a RUN, or --predictions FILE"),
        ([*WORDS, "--out", "o", "--predictions", "prices.yaml"], "no column image, finding, score"),
        ([*WORDS, "--out", "o", "--predictions", "other.csv"], "has none of the pool's 39 images"),
        ([*WORDS, "--out", "o", "--predictions", "high.csv"], "line 2: score '1.5' is not a probability"),
        ([*WORDS, "--out", "o", "--predictions", "no.csv"], "no.csv"),
        (["next", "absent/run", *WORDS[1:], "--out", "o"], "absent/run: no such run folder or weights"),
        (["next", "--evaluate", "pool.json"], "belong together"),
        (["next", "--evaluate", "pool.json", "--chosen", "pool.json"], "was not written by frugal next"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, capsys: pytest.CaptureFixture, words: list[str], message: str):
    (folder / "other.csv").write_text("image,finding,score\nx.png,Mass,0.5\n")
    (folder / "high.csv").write_text("image,finding,score\n0.png,Nodule,1.5\n")
    assert main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
