"""Agreement of two label sets: scikit-learn as oracle, on hand-made and on real labels."""

from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from app.cli import main
from app.data.agree import agreement, agreement_text
from app.data.datalist import write_datalist
from app.data.item import Datalist, Item


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


NODULES = (("Nodule or Mass",), ("Nodule", "Mass"))
OPACITIES = (("Lung Opacity",), ("Pneumonia",))


def test_experts_against_chestxray14_and_rsna(frugal_data: Path):
    from app.data.nih import chestxray14
    from app.data.nih_experts import expert_labels
    from app.data.rsna import challenge

    experts, reports = expert_labels(frugal_data / "tables"), chestxray14(frugal_data / "tables")
    rsna = challenge(frugal_data / "tables")
    found = agreement(experts, reports, [NODULES])
    assert [one.first for one in found] == [("Pneumothorax",), ("Nodule or Mass",)]
    truth = {item.image: item.label for items in experts.sections.values() for item in items}
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
