"""Simulated annotators of phantoms."""

from pathlib import Path

import pytest

from app.annotations.annotators import CERTAINTIES, CHANCES, Annotated, open_changed
from app.annotations.voting import by_certainty
from app.datalist.file import write_datalist
from app.datalist.item import Box, Datalist, Item

FINDINGS = ("Chest Drain", "Tracheostomy Tube")


def datalist(count: int = 400) -> Datalist:
    items = [
        Item(
            f"{n}.png",
            str(n),
            (float(n % 2), -1.0),
            boxes=(Box(FINDINGS[0], 1, 1, 2, 2),) if n % 2 else (),
            annotated=FINDINGS[:1],
        )
        for n in range(count)
    ]
    return Datalist("tubes", FINDINGS, {"training": items[: count // 2], "validation": [], "test": items[count // 2 :]})


def all_items(data: Datalist) -> list[Item]:
    return data.items()


def test_chances_are_chances_of_neatxs_certainties() -> None:
    assert CERTAINTIES == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert [sum(chances) for chances in CHANCES.values()] == pytest.approx([1, 1])


def test_certainties_come_as_often_as_said_and_locations_are_forgotten() -> None:
    made = all_items(Annotated("1", seed=0)(datalist(4000)))
    present = [item.label[0] for item in made if int(item.patient) % 2]
    for value, chance in zip(CERTAINTIES, CHANCES[1], strict=True):
        # Four standard errors of a share of 2,000.
        assert abs(present.count(value) / 2000 - chance) < 4 * (chance * (1 - chance) / 2000) ** 0.5
    assert {item.label[1] for item in made} == {-1}
    assert not any(item.boxes or item.annotated for item in made)


def test_both_together_are_combined_as_neatx_was() -> None:
    data = datalist()
    one, two, both = (all_items(Annotated(name, seed=5)(data)) for name in ("1", "2", "combined"))
    assert [a.label[0] for a in one] != [b.label[0] for b in two]
    expected = [by_certainty((a.label[0], b.label[0])) for a, b in zip(one, two, strict=True)]
    assert [item.label[0] for item in both] == expected
    assert Annotated("2", seed=5)(data) == Annotated("2", seed=5)(data)


def test_unknown_annotators_are_refused() -> None:
    with pytest.raises(ValueError, match="annotator '3': must be one of combined, 1, 2"):
        Annotated("3")


def test_a_named_datalist_is_never_changed(tmp_path: Path) -> None:
    data = datalist(4)
    for item in all_items(data):
        item.boxes, item.annotated = (), ()
        (tmp_path / item.image).write_bytes(b"")
    write_datalist(data, tmp_path / "datalist.json")

    def never(_: Datalist) -> Datalist:
        raise AssertionError("a named datalist was changed")

    with pytest.MonkeyPatch.context() as patch:
        # Empty files are no images; that they are looked at is another test's business.
        patch.setattr("app.phantoms.opened.validate", lambda *_, **__: None)
        opened = open_changed(tmp_path / "datalist.json", {}, tmp_path, never)
        assert [item.label for item in all_items(opened.datalist)] == [item.label for item in all_items(data)]
