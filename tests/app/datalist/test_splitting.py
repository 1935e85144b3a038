"""Splits and folds: patients never cross, parts are disjoint and cover, findings are shared out evenly."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.cli import main
from app.datalist.fingerprint import split_fingerprint
from app.datalist.item import SECTIONS, Box, Datalist, Item
from app.datalist.splitting import complete_split, folds, split, split_rest, with_validation
from app.datalist.validate import problems
from app.datasets.nih_tables import FINDINGS
from app.phantoms import write_phantoms

SHARES = (0.7, 0.1, 0.2)


def made(patients: int = 200, seed: int = 0) -> Datalist:
    """Patients with one to five images, three findings of 40%, 10% and 3%, a fifth of the images located."""
    chance = random.Random(seed)
    items = []
    for patient in range(patients):
        for number in range(chance.randint(1, 5)):
            label = tuple(int(chance.random() < rate) for rate in (0.4, 0.1, 0.03))
            item = Item(f"{patient}_{number}.png", str(patient), label, view=chance.choice(["PA", "AP"]))
            if chance.random() < 0.2:
                item.boxes, item.annotated = (Box("A", 0, 0, 1, 1),), ("A",)
            items.append(item)
    return Datalist("made", ("A", "B", "C"), {"training": items, "validation": [], "test": []})


def images(items: list[Item]) -> set[str]:
    return {item.image for item in items}


def worst_share(parts: list[list[Item]], findings: int) -> float:
    """The largest relative difference between a finding's share in a part and in the whole."""
    whole = [item for part in parts for item in part]

    def share(items: list[Item], place: int) -> float:
        return sum(item.label[place] == 1 for item in items) / len(items)

    return max(abs(share(part, place) / share(whole, place) - 1) for part in parts for place in range(findings))


def test_a_split_is_disjoint_and_covers():
    datalist = made()
    parts = list(split(datalist, SHARES, 3).sections.values())
    assert sum(map(len, parts)) == len(datalist.sections["training"])
    assert set.union(*map(images, parts)) == images(datalist.sections["training"])
    patients = [{item.patient for item in part} for part in parts]
    assert sum(map(len, patients)) == len(set.union(*patients))


def test_the_seed_alone_decides():
    datalist = made()
    turned = replace(datalist, sections={"training": datalist.sections["training"][::-1], "validation": [], "test": []})
    first = split_fingerprint(split(datalist, SHARES, 3))
    assert split_fingerprint(split(turned, SHARES, 3)) == first
    assert split_fingerprint(split(datalist, SHARES, 4)) != first
    assert split(datalist, SHARES, 3).provenance["split"] == {
        "method": "by patient, stratified over findings, locations and views",
        "shares": [0.7, 0.1, 0.2],
        "seed": 3,
        "fingerprint": first,
    }


def test_a_share_of_nothing_stays_empty():
    sections = split(made(), (0.8, 0.0, 0.2), 0).sections
    assert sections["validation"] == []
    assert len(sections["test"]) == pytest.approx(0.2 * len(made().sections["training"]), abs=3)


@pytest.mark.parametrize("shares", [(0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0.5, 0.5), (0.5, 0.5, 0)])
def test_any_share_may_be_nothing(shares: tuple[float, float, float]):
    datalist = made()
    parts = split(datalist, shares, 0).sections
    sizes = [len(parts[section]) / len(datalist.sections["training"]) for section in SECTIONS]
    assert sizes == pytest.approx(shares, abs=0.01)
    assert [size > 0 for size in sizes] == [share > 0 for share in shares]


@pytest.mark.parametrize(
    "shares", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (0, 0, 0), (1, 1, -1), (float("nan"), 0, 1), (0.5, 0.5)]
)
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, ...], tmp_path: Path):
    message = r"must be three shares from 0 to 1, .* together 1"
    with pytest.raises(ValueError, match=message):
        split(made(), shares, 0)
    with pytest.raises(ValueError, match=message):
        split_rest(made(), shares, 0)
    with pytest.raises(ValueError, match=message):
        write_phantoms(tmp_path, 4, seed=0, split=shares)


def test_an_external_test_set_is_all_test():
    given = split(made(), (0.8, 0.0, 0.2), 9)
    for datalist in (made(), given):  # without and with a test section of the data set's own
        sections = complete_split(datalist, (0, 0, 1), 0).sections
        assert [len(sections[section]) for section in SECTIONS] == [0, 0, len(made().sections["training"])]
    with pytest.raises(ValueError, match="made: with shares of 0 for training and validation, nothing can have"):
        split_rest(given, (0, 0, 1), 0)


def test_spellings_of_one_patient_stay_together():
    spelt = ("1", "1 ", "\u200b1", "\uff11")
    items = [
        Item(f"{number}_{place}.png", name if number == 1 else str(number), (number % 2,))
        for number in range(1, 40)
        for place, name in enumerate(spelt)
    ]
    datalist = Datalist("made", ("A",), {"training": items, "validation": [], "test": []})
    for seed in range(5):
        parts = split(datalist, (0.4, 0.3, 0.3), seed).sections.values()
        assert sorted(
            len({item.image for item in part} & {f"1_{place}.png" for place in range(4)}) for part in parts
        ) == [
            0,
            0,
            4,
        ]
        for fold in folds(datalist, 4, located_only=False, extra_share=0, seed=seed):
            ones = [image for image in images(fold.sections["test"]) if image.startswith("1_")]
            assert len(ones) in (0, 4)


def test_small_data_are_stratified():
    parts = list(split(made(400), SHARES, 0).sections.values())
    # 1,200 images, 36 with C, in a part of a tenth 3 or 4 of them: a whole patient of granularity.
    assert worst_share(parts, 2) < 0.06
    assert [sum(item.label[2] for item in part) > 0 for part in parts] == [True] * 3
    located = [sum(item.is_located for item in part) / len(part) for part in parts]
    assert max(located) - min(located) < 0.02


def test_a_data_sets_own_sections_stay():
    given = split(made(), SHARES, 9)
    kept = complete_split(given, None, 0)
    assert kept.sections == given.sections
    assert kept.provenance["split"]["method"] == "the data set's own"
    assert split_fingerprint(complete_split(given, SHARES, 0)) == split_fingerprint(split(made(), SHARES, 0))


def test_a_missing_validation_section_is_taken_from_training():
    given = split(made(), (0.8, 0.0, 0.2), 9)
    completed = complete_split(given, None, 0)
    assert completed.sections["test"] == given.sections["test"]
    sizes = [len(completed.sections[section]) for section in SECTIONS[:2]]
    assert sizes[1] / sum(sizes) == pytest.approx(0.1 / 0.8, abs=0.01)
    assert problems(completed) == []


def test_folds_over_all_items_are_disjoint_and_cover():
    datalist = made()
    parts = folds(datalist, 5, located_only=False, extra_share=0, seed=1)
    tests = [images(part.sections["test"]) for part in parts]
    assert set.union(*tests) == images(datalist.sections["training"])
    assert sum(map(len, tests)) == len(datalist.sections["training"])
    for part in parts:
        assert problems(part) == []
        assert images(part.sections["training"]) | images(part.sections["test"]) == set.union(*tests)
    assert len({part.provenance["split"]["fingerprint"] for part in parts}) == 5


@pytest.mark.parametrize("extra", [0.0, 0.2, 1.0])
def test_folds_over_located_items_with_others_to_train_on(extra: float):
    datalist = made()
    items = datalist.sections["training"]
    located = images([item for item in items if item.is_located])
    parts = folds(datalist, 5, located_only=True, extra_share=extra, seed=1)
    assert set.union(*(images(part.sections["test"]) for part in parts)) == located
    others = set().union(*(images(part.sections["training"]) for part in parts)) - located
    # Patients in a test fold lose their extra items there, but hardly in every fold.
    assert len(others) == pytest.approx(extra * (len(items) - len(located)), abs=2)
    assert all(problems(part) == [] for part in parts)


@pytest.mark.parametrize(
    ("k", "located", "extra", "message"),
    [
        (1, True, 0, "1 folds: must be 2 or more"),
        (5, True, 1.5, r"extra share 1\.5: must be in \[0, 1\]"),
        (5, False, 0.2, r"extra share 0\.2: .* of the items without a location"),
    ],
)
def test_folds_that_make_no_sense_are_refused(k: int, located: bool, extra: float, message: str):
    with pytest.raises(ValueError, match=message):
        folds(made(), k, located, extra, 0)


def test_a_fold_gets_a_validation_section_of_other_patients():
    fold = folds(made(), 5, located_only=True, extra_share=0.2, seed=1)[2]
    given = with_validation(fold, 0.1, 0)
    assert given.sections["test"] == fold.sections["test"]
    assert images(given.sections["training"]) | images(given.sections["validation"]) == images(
        fold.sections["training"]
    )
    assert len(given.sections["validation"]) == pytest.approx(0.1 * len(fold.sections["training"]), abs=2)
    assert problems(given) == []
    facts = given.provenance["split"]
    assert (facts["fold"], facts["validation_share"]) == (2, 0.1)
    assert facts["fingerprint"] == split_fingerprint(given) != fold.provenance["split"]["fingerprint"]
    with pytest.raises(ValueError, match=r"validation share 1: must be above 0 and below 1"):
        with_validation(fold, 1, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--located"], "--located: only with --folds"),
        (["--extra", "0.2", "--validation", "0.1"], "--extra and --validation: only with --folds"),
        (["--folds", "2", "--shares", "0.8,0.1,0.1"], "--shares and --folds: one or the other"),
        (["--folds", "2", "--extra", "0.2"], "--extra 0.2: only with --located"),
        (["--folds", "2"], "with --folds the name must hold {fold}"),
    ],
)
def test_options_without_effect_are_refused(words: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["split", "in.json", "out.json", *words]) == 1
    assert message in capsys.readouterr().err


def test_too_few_patients_for_the_folds_are_refused():
    with pytest.raises(ValueError, match="5 items of 2 patients are too few for 5 folds"):
        folds(made(2), 5, located_only=False, extra_share=0, seed=0)


def test_the_whole_of_chestxray14_in_three_parts(chestxray14_datalist: Datalist):
    parts = split(chestxray14_datalist, SHARES, 0)
    # The bound asked for is 10%; Hernia, with 227 images, is the worst.
    assert worst_share(list(parts.sections.values()), len(FINDINGS)) < 0.03
    assert [len(parts.sections[section]) for section in SECTIONS] == [78_484, 11_212, 22_424]
    assert problems(parts) == []


def test_the_whole_of_chestxray14_in_five_folds(chestxray14_datalist: Datalist):
    parts = folds(chestxray14_datalist, 5, located_only=False, extra_share=0, seed=0)
    assert worst_share([part.sections["test"] for part in parts], len(FINDINGS)) < 0.03
    assert len(set().union(*({item.patient for item in part.sections["test"]} for part in parts))) == 30_805


def test_the_boxes_of_chestxray14_in_five_folds(chestxray14_datalist: Datalist):
    parts = folds(chestxray14_datalist, 5, located_only=True, extra_share=0.2, seed=0)
    assert sum(len(part.sections["test"]) for part in parts) == 880
    totals = Counter(box.finding for item in chestxray14_datalist.items() for box in item.boxes)
    for part in parts:
        boxes = Counter(box.finding for item in part.sections["test"] for box in item.boxes)
        for finding, total in totals.items():
            assert boxes[finding] == pytest.approx(total / 5, abs=5)
        # A fifth of the 111,240 others ("about 20K", says the paper), less those of patients who are in the test fold.
        assert 0.96 * 0.2 * 111_240 < len(part.sections["training"]) - 0.8 * 880 < 0.2 * 111_240
