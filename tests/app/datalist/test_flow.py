"""What is left out of a datalist is recorded step by step, and written with it."""

from pathlib import Path

from app.annotations.reduction import share_of_patients
from app.annotations.subset import only_with, with_views, without_patients
from app.datalist.file import read_datalist, write_datalist
from app.datalist.item import Box, Datalist, Item
from app.datalist.showing import summary
from app.datalist.splitting import folds, split


def items(count: int) -> list[Item]:
    """Two images a patient, of which one is lateral; every third shows a nodule in a box."""
    return [
        Item(
            f"{n:03}.png",
            f"p{n // 2}",
            (float(n % 3 == 0), 0.0),
            view=("PA", "LATERAL")[n % 2],
            boxes=(Box("Nodule", 1, 1, 4, 4),) if n % 3 == 0 else (),
            annotated=("Nodule",) if n % 3 == 0 else (),
        )
        for n in range(count)
    ]


def test_steps_follow_each_other_and_survive_writing(tmp_path: Path):
    whole = Datalist.unsplit("made", ("Nodule", "Mass"), items(60), counts={"rows": 60})
    other = Datalist.unsplit("other", ("Nodule", "Mass"), items(4))
    made = only_with(with_views(without_patients(whole, [other]), ["PA"], keep=True), ["Nodule"], "equal", 0)
    write_datalist(split(made, (0.6, 0.2, 0.2), 0), tmp_path / "made.json")
    read = read_datalist(tmp_path / "made.json")
    # By hand: 60 images; 2 patients with 4 images go; half of the 56 are lateral; of 28, every third has a nodule (9:
    # numbers 6, 12, ..., 54), and as many of the other 19 stay.
    assert read.provenance["flow"] == [
        {"images": 60, "patients": 30},
        {"left_out": {"images of patients who are in other": 4}, "images": 56, "patients": 28},
        {"left_out": {"images of other views": 28}, "images": 28, "patients": 28},
        {
            "left_out": {
                "images with other findings": 0,
                "images of which it is not known": 0,
                "images without any finding that were not drawn": 10,
            },
            "images": 18,
            "patients": 18,
        },
    ]
    assert len(read.items()) == 18
    # The counts say the same in words, once.
    assert summary(read).count("not drawn") == 1


def test_fewer_patients_and_folds_of_located_images_are_steps_too():
    whole = split(Datalist.unsplit("made", ("Nodule", "Mass"), items(60)), (0.6, 0.2, 0.2), 0)
    fewer = share_of_patients(whole, 0.5, 0)
    steps = fewer.provenance["flow"]
    assert steps[-1]["images"] == len(fewer.items()) < 60
    assert steps[-1]["left_out"] == {"images not drawn: 0.5 of the patients": 60 - len(fewer.items())}
    fold = folds(whole, 2, located_only=True, extra_share=0, seed=0)[0]
    assert fold.provenance["flow"][-1]["images"] == len(fold.items()) == 20
    assert "flow" not in folds(whole, 2, located_only=False, extra_share=0, seed=0)[0].provenance


def test_patients_are_counted_once_all_are_known():
    unnamed = Datalist.unsplit("made", ("Nodule", "Mass"), [Item("1.png", "", (0, 0)), Item("2.png", "7", (0, 0))])
    made = unnamed.leaving_out(lambda item: "" if item.patient else "nameless", ["nameless"])
    assert made.provenance["flow"] == [{"images": 2}, {"left_out": {"nameless": 1}, "images": 1, "patients": 1}]
