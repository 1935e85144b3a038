"""Agreement of two label sets: scikit-learn as oracle, on hand-made and on real labels."""

import csv
import dataclasses
from pathlib import Path

import cv2
import pytest
from sklearn.metrics import cohen_kappa_score

from app.annotations.agreement import SetsAgreement, agreement, agreement_text, agreements
from app.annotations.agreement_picture import COLOURS, draw
from app.cli import main
from app.datalist.file import write_datalist
from app.datalist.item import Datalist, Item


def made(name: str, findings: tuple[str, ...], *labels: tuple[float, ...], folder: str = "") -> Datalist:
    items = [Item(f"{folder}{number}.png", str(number), label) for number, label in enumerate(labels)]
    return Datalist(name, findings, {"training": items, "validation": [], "test": []})


FIRST = made("A", ("Nodule", "Mass"), (1, 0), (1, 1), (0, 0), (0, 0), (-1, 0), (0.75, 0))
SECOND = made("B", ("Effusion", "Nodule"), (0, 1), (0, 0), (0, 0), (-2, 1), (1, 1), (0, 1), (1, 1), folder="x/")


def test_kappa_is_that_of_the_images_that_both_know():
    (found,) = agreement(FIRST, SECOND)
    assert found.first == found.second == ("Nodule",)
    assert (found.agreement.cases, found.agreement.left_out) == (5, 1)
    # Images 0 to 3 and 5; number 4 is uncertain in A, and number 6 is not there.
    assert found.agreement.kappa.value == pytest.approx(cohen_kappa_score([1, 1, 0, 0, 1], [1, 0, 0, 1, 1]))


def test_a_second_image_of_each_patient_makes_the_interval_no_narrower():
    labels = [(1,), (1,), (0,), (0,), (1,), (0,), (1,), (0,)], [(1,), (0,), (0,), (1,), (1,), (0,), (1,), (0,)]
    once, other = (made(name, ("Nodule",), *each) for name, each in zip("AB", labels, strict=True))
    twice, second = (made(name, ("Nodule",), *each, *each) for name, each in zip("AB", labels, strict=True))
    for number, item in enumerate(twice.sections["training"]):
        twice.sections["training"][number] = dataclasses.replace(item, patient=str(number % 8))
    (alone,), (both,) = agreement(once, other), agreement(twice, second)
    # Two images of a patient that are judged alike say no more than one of them, but for the small sample's correction.
    assert both.agreement.kappa.value == alone.agreement.kappa.value
    assert both.agreement.kappa.lower == pytest.approx(alone.agreement.kappa.lower, abs=0.03)


def test_findings_can_be_taken_for_each_other():
    _, found = agreement(FIRST, SECOND, [(("Nodule", "Mass"), ("Nodule",))])
    assert found.agreement.kappa.value == pytest.approx(cohen_kappa_score([1, 1, 0, 0, 1], [1, 0, 0, 1, 1]))
    assert "Nodule + Mass = Nodule: " in agreement_text(FIRST, SECOND, [found])


def test_an_image_twice_is_present_where_either_says_so():
    second = made("B", ("Nodule",), (0,), (0,))
    for item in second.sections["training"]:
        item.attributes = {"nih_image": "0.png"}
    second.sections["training"][1].label = (1,)
    (found,) = agreement(made("A", ("Nodule",), (1,), (0,)), second)
    assert (found.agreement.cases, found.agreement.observed) == (1, 1)


def test_what_cannot_be_compared_is_told():
    with pytest.raises(ValueError, match="A and C have no image in common"):
        agreement(FIRST, Datalist("C", ("Nodule",), {"training": [Item("z.png", "p", (1,))]}))
    with pytest.raises(ValueError, match=r"A \(Nodule, Mass\) and C \(Edema\) have no finding in common"):
        agreement(FIRST, made("C", ("Edema",), (1,)))
    with pytest.raises(ValueError, match="B: unknown finding 'Mass'"):
        agreement(FIRST, SECOND, [(("Nodule",), ("Mass",))])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    paths = [str(tmp_path / name) for name in ("a.json", "b.json")]
    for path, datalist in zip(paths, (FIRST, SECOND), strict=True):
        write_datalist(datalist, Path(path))
    assert main(["datalist", "agree", *paths, "--same", "Mass=Effusion"]) == 0
    text = capsys.readouterr().out
    assert f"A ({paths[0]}) against B ({paths[1]}): Cohen's kappa (95% interval)" in text
    assert "Mass = Effusion: " in text
    with pytest.raises(SystemExit):
        main(["datalist", "agree", *paths, "--same", "Mass"])


THIRD = made("C", ("Mass or Nodule", "Edema"), (1, 1), (1, 0), (0, 0), (0, 1))
OTHER = made("D", ("Nodule",), (1,), folder="d/")
OTHER.sections["training"][0].image = "elsewhere.png"
SETS = {"a": FIRST, "b": SECOND, "c": THIRD, "d": OTHER}
ONE = (("Mass or Nodule",), ("Nodule", "Mass"))


def test_every_two_of_several_sets():
    found = {(each.first, each.second): each for each in agreements(SETS, [ONE])}
    assert {pair: each.shared for pair, each in found.items()} == {
        ("a", "b"): 6,
        ("a", "c"): 4,
        ("a", "d"): 0,
        ("b", "c"): 4,
        ("b", "d"): 0,
        ("c", "d"): 0,
    }
    assert {pair: [one.title for one in each.findings] for pair, each in found.items()} == {
        ("a", "b"): ["Nodule"],
        ("a", "c"): ["Nodule + Mass = Mass or Nodule"],
        ("a", "d"): [],
        ("b", "c"): [],
        ("b", "d"): [],
        ("c", "d"): [],
    }
    # A: present, present, absent, absent; C: present, present, absent, absent.
    assert found["a", "c"].findings[0].agreement.kappa.value == 1
    assert [each.second for each in agreements(SETS, [ONE], against_first=True)] == ["b", "c", "d"]
    with pytest.raises(ValueError, match=r"Edema=Nodul: no two of a, b, c, d have these findings, in this spelling"):
        agreements(SETS, [(("Edema",), ("Nodul",))])


def texts(found: list[SetsAgreement], path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str]]:
    """Words and colours (hexadecimal) of a picture, in the order in which they were drawn."""
    from matplotlib.axes import Axes
    from matplotlib.colors import to_hex

    words, colours = [], []
    text, patch = Axes.text, Axes.add_patch
    monkeypatch.setattr(
        Axes, "text", lambda self, *given, **kinds: words.append(given[2]) or text(self, *given, **kinds)
    )
    monkeypatch.setattr(
        Axes, "add_patch", lambda self, one: colours.append(to_hex(one.get_facecolor())) or patch(self, one)
    )
    draw(found, path)
    return words, colours


def test_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    words, colours = texts(agreements(SETS, [ONE]), tmp_path / "deep" / "kappa.png", monkeypatch)
    # A and B: kappa 1/6 by hand (observed 3/5, expected (3 * 3 + 2 * 2) / 25, so 2 / 12); A and C: 1.
    assert words == ["0.17", "1.00", "no shared images", "no shared finding", "no shared images", "no shared images"]
    assert colours == [COLOURS["None to slight"], COLOURS["Almost perfect"]]
    assert cv2.imread(str(tmp_path / "deep" / "kappa.png")).shape[0] > 300


def test_a_kappa_that_is_undefined_is_drawn_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sets = {name: made(name, ("Nodule",), (0,), (0,)) for name in ("one", "two")}
    words, colours = texts(agreements(sets), tmp_path / "kappa.png", monkeypatch)
    assert (words, colours) == (["-"], [COLOURS["Undefined"]])


def test_the_command_with_several_files(tmp_path: Path, capsys: pytest.CaptureFixture):
    paths = [str(tmp_path / f"{name}.json") for name in SETS]
    for path, datalist in zip(paths, SETS.values(), strict=True):
        write_datalist(datalist, Path(path))
    words = ["datalist", "agree", *paths, "--same", "Nodule+Mass=Mass or Nodule", "--picture", str(tmp_path / "k.png")]
    assert main([*words, "--csv", str(tmp_path / "k" / "k.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "k" / "k.csv").read_text().splitlines()))
    assert [(row["first"], row["second"], row["shared"], row["finding"]) for row in rows] == [
        ("a", "b", "6", "Nodule"),
        ("a", "c", "4", "Nodule + Mass = Mass or Nodule"),
        ("a", "d", "0", ""),
        ("b", "c", "4", ""),
        ("b", "d", "0", ""),
        ("c", "d", "0", ""),
    ]
    assert float(rows[0]["kappa"]) == pytest.approx(1 / 6)  # by hand, as in the picture
    assert float(rows[0]["kappa_lower"]) < 1 / 6 < float(rows[0]["kappa_upper"])
    assert (rows[0]["images"], rows[0]["band"], rows[2]["kappa"]) == ("5", "None to slight", "")
    told = capsys.readouterr().out
    assert f"C ({paths[2]}) against D ({paths[3]}): Cohen's kappa (95% interval)\n  0 shared images: no image" in told
    assert "  4 shared images: no finding in common" in told
    assert (tmp_path / "k.png").is_file()
    assert main(["datalist", "agree", paths[0], paths[3]]) == 1
    assert "have no image in common" in capsys.readouterr().err
    assert main(["datalist", "agree", paths[0]]) == 1
    assert "agree takes two datalists or more" in capsys.readouterr().err


NODULES = (("Nodule or Mass",), ("Nodule", "Mass"))
OPACITIES = (("Lung Opacity",), ("Pneumonia",))


def test_experts_against_chestxray14_and_rsna(chestxray14_datalist: Datalist, frugal_data: Path):
    from app.datasets.nih_experts import expert_labels
    from app.datasets.rsna import challenge

    experts, reports = expert_labels(frugal_data / "tables"), chestxray14_datalist
    rsna = challenge(frugal_data / "tables")
    found = agreement(experts, reports, [NODULES])
    assert [one.first for one in found] == [("Pneumothorax",), ("Nodule or Mass",)]
    truth = {item.image: item.label for item in experts.items()}
    said = {item.image: item.label for item in reports.sections["training"]}
    place = [reports.findings.index(name) for name in ("Pneumothorax", "Nodule", "Mass")]
    for one, column, places in ((found[0], 1, place[:1]), (found[1], 3, place[1:])):
        pairs = [(label[column], max(said[image][at] for at in places)) for image, label in truth.items()]
        assert one.agreement.cases == len(pairs) == 4376
        assert one.agreement.kappa.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)
        assert one.agreement.kappa.lower < one.agreement.kappa.value < one.agreement.kappa.upper
        # "Agreements between NIH-CXR14 and three other pathology label sets are at best moderate" (Cheplygina et al.).
        assert one.agreement.name == "Moderate"

    (opacity,) = agreement(experts, rsna, [OPACITIES])
    read: dict[str, float] = {}
    for item in rsna.sections["training"]:
        image = str(item.attributes["nih_image"])
        read[image] = max(read.get(image, 0), item.label[0])
    pairs = [(label[2], read[image]) for image, label in truth.items() if image in read]
    assert opacity.agreement.cases == len(pairs) == 1140
    assert opacity.agreement.kappa.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)), abs=1e-12)
