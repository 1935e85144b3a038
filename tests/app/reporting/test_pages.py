"""Pages fetch nothing, run nothing and name no patient."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.cli import main

PIXEL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        text = path.read_text(encoding="utf-8")
        self.feed(text)
        # Encoded pictures hold any letters by chance.
        self.text = re.sub('base64,[^"]+', "base64,", text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def pages(module_folder_of) -> list[Page]:
    """A comparison and a report."""
    one, two = module_folder_of("one", 0.5), module_folder_of("two", 1.5)
    made = one.parent / "made"
    (one / "pictures").mkdir()
    for name in ("curves", "history", "cases_effusion", "something_new"):
        (one / f"pictures/{name}.png").write_bytes(PIXEL)
    (one / "config.yaml").write_text("imports:\n- $import torch\nseed: 3\ncomputed: $1 + 1\nnote: <b>bold</b>\n")
    assert main(["compare", str(one), str(two), "--no-log", "--out", str(made)]) == 0
    assert main(["report", str(one)]) == 0
    return [Page(made / "comparison.html"), Page(one / "report.html")]


def test_a_page_is_named_html(tmp_path, capsys):
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "report.pdf")]) == 1
    assert "report.pdf: the report is a page in HTML; name a file that ends in .html" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_fetched_and_nothing_runs(pages):
    for page in pages:
        assert not re.search(r"https?://|//cdn|@import|url\(", page.text)
        assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"}
        for _, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on") or name == "href"]
            assert attributes.get("src", "data:").startswith("data:")
        policies = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
        assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_no_patient_image_study_or_other_attribute_is_named(pages):
    for page in pages:
        # Names that the fixture gave to patients, images, studies, and in a column that is no known group.
        assert not re.search(r"Mustermann|scan\d|study\d|Person\d", page.text)


def test_settings_are_shown_escaped_and_what_is_computed_is_not(pages):
    text = pages[1].text
    assert "<dt>seed</dt><dd>3</dd>" in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "1 + 1" not in text


def test_pages_hold_pictures_subgroups_and_columns_left_out(pages):
    text = pages[1].text
    pictures = [[a["alt"] for tag, a in page.tags if tag == "img"] for page in pages]
    assert pictures[0] == [
        "Area under the ROC curve, and the difference of each model from A",
        "Dice, mean over located images, and the difference of each model from A",
    ]
    assert pictures[1] == [
        "Flow of cases, from the tables to those that were measured.",
        "ROC and precision-recall curves.",
        "Something new",
        "Effusion",
        "Losses and validation measures by epoch.",
    ]
    for heading in ("By view", "By sex", "By age", "By Chest Drain", "Recognised by its treatment?"):
        assert f"<h3>{heading}</h3>" in text
    assert "Columns that make no groups: study, operator." in text


def test_pages_are_well_formed(pages):
    for page in pages:
        opened = [tag for tag, _ in page.tags if tag in ("section", "table", "div", "svg", "details", "figure")]
        assert len(opened) == len(re.findall(r"</(?:section|table|div|svg|details|figure)>", page.text))


def test_report_shows_values_and_warnings_of_metrics_json(folder_of):
    folder = folder_of("one", 0.5)
    entry = {"value": 0.7, "lower": 0.6, "upper": 0.8, "present": 30, "absent": 50, "unknown": 0}
    patients = {"present_patients": 9, "absent_patients": 50}
    made = {
        "section": "validation",
        "auc": {"Effusion": entry | patients, "macro": {"value": 0.7}},
        "f1": {"Effusion": entry | {"present": 9}},
        "accuracy": {"Effusion": entry},
        "hit_rate": {"Effusion": {"value": 0.6, "lower": 0.5, "upper": 0.7, "images": 30, "patients": 9}},
        "sensitivity": {"Effusion": {"value": 0.9, "lower": 0.8, "upper": 0.95, "threshold": 0.25}},
        "novelty": {"PA": {"Effusion": {"value": 0.123, "depth": 2}}, "AP": {"Effusion": {"value": None}}},
        "warnings": ["Look out."],
    }
    (folder / "metrics.json").write_text(json.dumps(made))
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.html").read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "validation section, 120 images of 60 patients" in text
    assert text.count("0.700 [0.600, 0.800] *") == 2  # nine patients are few, and nine cases if these are not counted
    assert text.count("0.700 [0.600, 0.800]<") == 1
    assert "0.600 [0.500, 0.700] *" in text
    assert '<th class="number">present patients</th>' in text
    assert '<th class="number">absent patients</th>' not in text  # every one has a single image
    assert '<td class="number">0.250</td><td class="number">0.900 [0.800, 0.950]</td>' in text
    assert "<h3>Novelty</h3>" in text
    assert '<p class="note warning">Look out.</p>' in text


def test_report_says_how_regions_were_measured_and_whether_thresholds_flatter(folder_of):
    folder = folder_of("one", 0.5)
    made = {"regions": {"grid": "pixels of <stored> radiographs"}, "thresholds": {"warning": "chosen on <these>"}}
    (folder / "metrics.json").write_text(json.dumps(made))
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.html").read_text()
    assert '<p class="note warning">chosen on &lt;these&gt;</p>' in text
    assert "How regions were measured" in text
    assert "pixels of &lt;stored&gt; radiographs" in text


def test_a_damaged_metrics_json_is_named(folder_of, capsys):
    folder = folder_of("one", 0.5)
    (folder / "metrics.json").write_text("{")
    assert main(["report", str(folder)]) == 1
    assert "metrics.json: not the results of a run" in capsys.readouterr().err
