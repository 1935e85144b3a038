"""What tests of several rooms of the application start from."""

import pytest

from app.data.item import Box, Datalist, Item

FINDINGS = ("Nodule", "Effusion")


def item(number: int) -> Item:
    """Two images a patient; every third shows a nodule in a box, every other an effusion without one."""
    nodule, effusion = float(number % 3 == 0), float(number % 2 == 0)
    boxes = (Box("Nodule", 1, 1, 4, 4),) if nodule else ()
    return Item(f"{number:03}.png", f"p{number // 2}", (nodule, effusion), boxes=boxes, annotated=("Nodule",))


@pytest.fixture
def datalist() -> Datalist:
    """60, 10 and 10 items of two images a patient, some with boxes."""
    items = [item(number) for number in range(80)]
    sections = {"training": items[:60], "validation": items[60:70], "test": items[70:]}
    return Datalist("made", FINDINGS, sections)
