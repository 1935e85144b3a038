"""The picture of a section: what is drawn where, what is not written on it, and files that cannot be read."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from app.cli import main
from app.datalist import contact_sheet
from app.datalist.contact_sheet import draw_sections
from app.datalist.file import write_datalist
from app.datalist.item import Box, Datalist, Item, RunLengths
from app.datalist.run_lengths import encode
from app.datalist.thumbnails import thumbnail
from tests.app.annotation_formats.drawn import block

FINDINGS = ("Nodule", "Effusion")


@pytest.fixture
def datalist(tmp_path: Path) -> Datalist:
    """Radiographs of 640 x 480 pixels (height x width): a box, a mask file, run lengths, two uncertain; one missing."""
    for name in ("secret1", "secret2", "secret3", "secret4"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((640, 480), 128, np.uint8))
    mask = np.zeros((640, 480), np.uint8)
    mask[100:200, 40:60] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    runs = RunLengths((640, 480), (0, 640, 640 * 479))  # the first column
    training = [
        Item("secret1.png", "mustermann", (1, 0), boxes=(Box("Nodule", 100, 200, 40, 60),), annotated=("Nodule",)),
        Item("secret2.png", "mustermann", (0, 1), view="PA", mask={"Effusion": "mask.png"}, annotated=("Effusion",)),
        Item("secret3.png", "mustermann", (1, -1), mask={"Nodule": runs}, annotated=("Nodule",)),
    ]
    test = [Item("secret4.png", "other", (0, -1)), Item("missing.png", "other", (0, 0))]
    return Datalist("made", FINDINGS, {"training": training, "validation": [], "test": test})


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """Figures by file name, instead of files."""
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(contact_sheet, "write_figure", lambda path, figure, dpi: drawn.update({path.name: figure}))
    return drawn


def words(figure: Figure) -> list[str]:
    import matplotlib.text

    return [text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text()]


def test_a_thumbnail_has_the_outlines_at_its_scale(datalist: Datalist, tmp_path: Path):
    tile = thumbnail(datalist.sections["training"][1], tmp_path)
    # 640 x 480 is reduced to 320 x 240, so that pixels 40 to 59 and 100 to 199 become 20 to 30 and 50 to 100.
    assert (tile.pixels.shape, tile.scale, tile.problems) == ((320, 240), 0.5, [])
    (outline,) = tile.outlines["Effusion"]
    np.testing.assert_array_equal(outline.min(axis=0), [20.25, 50.25])
    np.testing.assert_array_equal(outline.max(axis=0), [29.75, 99.75])
    (column,) = thumbnail(datalist.sections["training"][2], tmp_path).outlines["Nodule"]
    np.testing.assert_array_equal(column.max(axis=0), [0.25, 319.75])


def test_small_images_are_enlarged(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.png"), np.arange(640, dtype=np.uint8).reshape(32, 20))
    item = Item("a.png", "p", (1,), mask={"Nodule": encode(block((32, 20), slice(4, 8), slice(2, 12)))})
    tile = thumbnail(item, tmp_path)
    # Ten times as large: the centres of columns 2 and 11 and of rows 4 and 7.
    assert (tile.pixels.shape, tile.scale) == ((320, 200), 10)
    outline = tile.outlines["Nodule"][0]
    assert (outline.min(axis=0).tolist(), outline.max(axis=0).tolist()) == ([25, 45], [115, 75])


def test_boxes_and_masks_are_drawn_on_their_tiles(datalist: Datalist, tmp_path: Path, figures: dict[str, Figure]):
    written, _ = draw_sections(datalist, tmp_path, tmp_path / "x.png", seed=0)
    assert [path.name for path in written] == list(figures) == ["x-training.png", "x-test.png"]  # validation is empty
    axes = figures["x-training.png"].subfigs[0].axes[0]
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    outlines = [patch for patch in axes.patches if isinstance(patch, Polygon)]
    # One box, in the first tile: corner (100, 200) and size (40, 60) at half the size, below the caption.
    (box,) = boxes
    tile = axes.images[0].get_extent()
    assert (box.get_x() - tile[0], box.get_y() - tile[3], box.get_width(), box.get_height()) == (50, 100, 20, 30)
    assert len(outlines) == 2
    assert box.get_edgecolor() in {outline.get_edgecolor() for outline in outlines}  # a colour for each finding
    assert len({outline.get_edgecolor() for outline in outlines}) == 2


def test_captions_tell_annotations_and_name_nobody(datalist: Datalist, tmp_path: Path, figures: dict[str, Figure]):
    draw_sections(datalist, tmp_path, tmp_path / "x.png", seed=0)
    text = words(figures["x-training.png"])
    assert "[1] PA\nmask: Effusion" in text
    assert "[2]\nmask: Nodule\nuncertain: Effusion" in text
    assert {"box", "mask", *FINDINGS} <= set(text)  # the legend
    assert "[0]\nuncertain: Effusion" in words(figures["x-test.png"])
    everything = " ".join(text + words(figures["x-test.png"]))
    assert not any(name in everything for name in ("secret", "mustermann", "other", "missing"))


def test_the_bars_are_the_shares_of_the_section(datalist: Datalist, tmp_path: Path, figures: dict[str, Figure]):
    draw_sections(datalist, tmp_path, tmp_path / "x.png", seed=0)
    labels, locations, pairs, _ = figures["x-training.png"].subfigs[1].axes
    # Of three images: a nodule on two, an effusion on one and uncertain on one.
    assert [bar.get_width() for bar in labels.containers[0]] == pytest.approx([2 / 3, 1 / 3])
    assert [bar.get_width() for bar in locations.containers[0]] == [1, 0]  # boxes
    assert [bar.get_width() for bar in locations.containers[1]] == [1, 1]  # masks
    assert pairs.images[0].get_array().tolist() == [[1, 0], [0, 1]]  # never together


def test_one_finding_has_no_matrix_and_no_location_no_panel(tmp_path: Path, figures: dict[str, Figure]):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8), np.uint8))
    draw_sections(Datalist.unsplit("one", ("Nodule",), [Item("1.png", "7", (1,))]), tmp_path, tmp_path / "x.png", 0)
    labels, blank = figures["x-training.png"].subfigs[1].axes
    assert labels.containers
    assert not blank.axison


def test_of_many_findings_those_are_counted_that_most_is_said_of(tmp_path: Path, figures: dict[str, Figure]):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8), np.uint8))
    findings = tuple(f"Finding {number}" for number in range(170))
    items = [Item("1.png", "7", tuple(float(number in (90, 169)) for number in range(170)))]
    draw_sections(Datalist.unsplit("many", findings, items), tmp_path, tmp_path / "x.png", 0)
    labels, pairs, _ = figures["x-training.png"].subfigs[1].axes
    names = [label.get_text() for label in labels.get_yticklabels()]
    # The two that are present, and the first 22 of the others.
    assert names == [*findings[:22], "Finding 90", "Finding 169"]
    assert pairs.images[0].get_array()[-2:, -2:].tolist() == [[1, 1], [1, 1]]
    assert "24 of 170 findings: those that most is said of" in words(figures["x-training.png"])


def test_files_that_cannot_be_read_are_problems_of_the_datalist(datalist: Datalist, tmp_path: Path, capsys):
    small = np.zeros((8, 8), np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), small)
    write_datalist(datalist, tmp_path / "x.json")
    command = ["datalist", "show", str(tmp_path / "x.json"), "--picture", str(tmp_path / "out" / "x.png")]
    assert main(command) == 1
    said = capsys.readouterr()
    assert f"training[1] secret2.png: mask of 'Effusion': {tmp_path}/mask.png: " in said.err
    assert "has 8 x 8 pixels (width x height), the image 480 x 640" in said.err
    assert f"test[1] missing.png: {tmp_path}/missing.png: cannot be opened" in said.err
    assert f"picture written to {tmp_path}/out/x-training.png" in said.out
    assert (tmp_path / "out" / "x-test.png").read_bytes()[:4] == b"\x89PNG"
    assert main([*command, "--files"]) == 1
    assert capsys.readouterr().err.count("missing.png: ") == 2  # the item, and in the same line its file
