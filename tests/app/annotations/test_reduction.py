"""Training sections of which less is known: nested, exact in number, and nothing else changed."""

from pathlib import Path

import pytest

from app.annotations.reduction import first_images, with_uncertain, without_locations
from app.cli import main
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Datalist
from app.findings import PRESENT, UNCERTAIN


def images(datalist: Datalist) -> set[str]:
    return {item.image for item in datalist.sections["training"]}


def test_fewer_images_are_among_more_and_the_other_sections_stay(datalist):
    sizes = [first_images(datalist, count, seed=1) for count in (7, 20, 60)]
    assert [len(images(each)) for each in sizes] == [7, 20, 60]
    assert images(sizes[0]) < images(sizes[1]) < images(sizes[2])
    assert images(first_images(datalist, 20, seed=2)) != images(sizes[1])
    for section in ("validation", "test"):
        assert all(each.sections[section] == datalist.sections[section] for each in sizes)
    # Whole patients: of seven images, one patient at most is cut.
    patients = [item.patient for item in sizes[0].sections["training"]]
    assert sum(patients.count(patient) == 1 for patient in set(patients)) == 1


def test_locations_go_by_share_and_nested(datalist):
    half, most = (without_locations(datalist, share, seed=0) for share in (0.5, 0.75))
    bare = [{item.image for item in each.sections["training"] if not item.annotated} for each in (half, most)]
    # All 60 are annotated ("nowhere" is an annotation too).
    assert [len(each) for each in bare] == [30, 45]
    assert bare[0] < bare[1]
    assert [i.label for i in half.sections["training"]] == [i.label for i in datalist.sections["training"]]


def test_uncertain_labels_have_the_asked_share_of_present_ones(datalist):
    made = with_uncertain(datalist, 0.3, 0.5, seed=0)
    before = {item.image: item for item in datalist.sections["training"]}
    for place, finding in enumerate(datalist.findings):
        unsure = [item for item in made.sections["training"] if item.label[place] == UNCERTAIN]
        # By hand: 0.3 of 60 labels are 18, half of them present.
        assert len(unsure) == 18
        assert sum(before[item.image].label[place] == PRESENT for item in unsure) == 9
        assert all(finding not in item.annotated for item in unsure)
        assert all(box.finding != finding for item in unsure for box in item.boxes)


def test_uncertain_labels_drawn_from_all_alike(datalist):
    made = with_uncertain(datalist, 0.2, None, seed=0)
    assert sum(item.label[0] == UNCERTAIN for item in made.sections["training"]) == 12


def test_more_than_there_are_is_refused(datalist):
    with pytest.raises(ValueError, match="54 labels 1 of Nodule asked, but there are 20"):
        with_uncertain(datalist, 0.9, 1.0, seed=0)
    with pytest.raises(ValueError, match="images: 61 asked; made has 1 to 60"):
        first_images(datalist, 61, seed=0)
    with pytest.raises(ValueError, match=r"unannotated: 1\.5 must be a share"):
        without_locations(datalist, 1.5, seed=0)


def test_the_command_takes_the_steps_in_order(datalist, tmp_path):
    write_datalist(datalist, tmp_path / "in.json")
    words = ["--images", "40", "--uncertain", "0.25", "--present", "0.5", "--unannotated", "0.5", "--seed", "3"]
    assert main(["degrade", str(tmp_path / "in.json"), str(tmp_path / "out.json"), *words]) == 0
    made = read_datalist(tmp_path / "out.json")
    expected = without_locations(with_uncertain(first_images(datalist, 40, 3), 0.25, 0.5, 3), 0.5, 3)
    assert made.sections == expected.sections
    assert [step["to"] for step in made.provenance["degraded"]] == [
        step["to"] for step in expected.provenance["degraded"]
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--present", "0.5"], "--present belongs to --uncertain"),
        (["--uncertain", "0.2", "--sections", "test"], "--uncertain change the training section alone"),
        (["--uncertain", "2"], "uncertain: share: 2.0 must be a share from 0 to 1"),
    ],
    ids=["present alone", "another section", "no share"],
)
def test_the_command_refuses(datalist, tmp_path: Path, capsys, words, message):
    write_datalist(datalist, tmp_path / "in.json")
    assert main(["degrade", str(tmp_path / "in.json"), str(tmp_path / "out.json"), *words]) != 0
    assert message in capsys.readouterr().err
