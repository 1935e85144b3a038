"""Which items a contact sheet shows: every finding and kind of annotation, the same ones for the same seed."""

from app.datalist.examples import annotation_words, chosen_examples
from app.datalist.item import Box, Item

FINDINGS = ("Nodule", "Effusion")


def item(number: int, label: tuple[float, ...], box: str = "", mask: str = "") -> Item:
    boxes = (Box(box, 1, 1, 4, 4),) if box else ()
    return Item(f"{number}.png", f"p{number}", label, boxes=boxes, mask={mask: "m.png"} if mask else {})


def section() -> list[Item]:
    """A thousand normals, 50 labels of each finding, and a few of everything else."""
    items = [item(n, (0, 0)) for n in range(1000)]
    items += [item(n, (1, 0)) for n in range(1000, 1050)] + [item(n, (0, 1)) for n in range(1050, 1100)]
    items += [item(1100, (1, 0), box="Nodule"), item(1101, (0, 1), mask="Effusion"), item(1102, (-1, 0))]
    return [*items, item(1103, (0, 0.4)), item(1104, (-2, -2)), item(1105, (1, 0), box="Nodule")]


def test_everything_rare_is_shown_and_the_rest_is_balanced():
    chosen = chosen_examples(section(), FINDINGS, 12, seed=3)
    assert len(chosen) == len(set(chosen)) == 12
    # Of each kind that has few items, all: boxes, the mask, uncertain, a certainty, and nothing said.
    assert {1100, 1101, 1102, 1103, 1104, 1105} <= set(chosen)
    # The other six: two each of nodules by label, effusions by label and normals.
    assert sorted(sum(index in group for index in chosen) for group in (range(1000), range(1000, 1050))) == [2, 2]
    assert sum(index in range(1050, 1100) for index in chosen) == 2


def test_the_order_is_by_kind_then_finding():
    kinds = [annotation_words(section()[index], FINDINGS)[0] for index in chosen_examples(section(), FINDINGS, 8, 3)]
    assert kinds == [
        *("image label: Nodule", "image label: Effusion", "box: Nodule", "mask: Effusion"),
        *("uncertain: Nodule", "certainty 0.4: Effusion", "none present", "nothing said"),
    ]


def test_a_seed_repeats_its_choice_and_another_makes_another():
    first = chosen_examples(section(), FINDINGS, 12, seed=3)
    assert chosen_examples(section(), FINDINGS, 12, seed=3) == first
    assert chosen_examples(section(), FINDINGS, 12, seed=4) != first


def test_few_items_are_all_shown_once():
    several = [item(0, (1, 1), box="Nodule", mask="Nodule"), item(1, (0, 0))]
    assert chosen_examples(several, FINDINGS, 24, seed=0) == [0, 1]
    assert chosen_examples([], FINDINGS, 24, seed=0) == []


def test_words_name_contradictions():
    both = Item("1.png", "7", (0, -1), boxes=(Box("Nodule", 1, 1, 4, 4),), mask={"Effusion": "m.png"})
    assert annotation_words(both, FINDINGS) == [
        "box, though labelled absent: Nodule",
        "mask, labelled uncertain: Effusion",
    ]
