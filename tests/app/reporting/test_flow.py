"""The flow of cases: every step adds up, and what is not recorded is said."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from app.pages.document import Table
from app.reporting.flow import UNRECORDED, flow_of, flow_parts
from app.reporting.flow_picture import flow_svg
from tests.app.reporting.conftest import made_datalist


def test_each_step_is_the_one_before_less_what_was_left_out(record):
    flow = flow_of(record)
    assert [(step.images, step.patients) for step in flow.steps] == [(120, 60), (60, 60)]
    assert flow.steps[1].left_out == {"images of other views": 60}
    for before, after in zip(flow.steps, flow.steps[1:], strict=False):
        assert after.images == before.images - sum(after.left_out.values())
    assert sum(each.listed.images for each in flow.sections) == flow.steps[-1].images
    test = next(each for each in flow.sections if each.name == "test")
    assert flow.measured.images == test.listed.images - flow.measured.left_out["could not be read"]
    assert flow.measured.left_out == {"could not be read": 2}
    assert [each.unreadable for each in flow.sections] == [1, 0, 2]


def test_what_readers_of_tables_counted_is_apart(record):
    # The step of other views is told once, as a step.
    assert flow_of(record).before == {"rows of the table": 130, "left out: doubles": 10}


def test_findings_are_counted_by_label_in_measured_images(record):
    items = made_datalist().sections["test"][2:]
    for column, finding in enumerate(("Nodule", "Effusion")):
        counts = flow_of(record).findings[finding]
        labels = [item.label[column] for item in items]
        assert (counts["present"], counts["absent"], counts["uncertain"]) == tuple(map(labels.count, (1, 0, -1)))
        assert sum(counts[s] for s in ("present", "absent", "uncertain", "not said")) == len(items)
        # One image a patient.
        assert (counts["present_patients"], counts["absent_patients"]) == (counts["present"], counts["absent"])


def test_images_that_vanish_without_a_record_are_told(record):
    data = dict(record.data)
    data["provenance.flow"] = data["provenance.flow"][:1]
    flow = flow_of(replace(record, data=data))
    assert flow.steps[-1].left_out == {UNRECORDED: 60}
    fewer = flow_of(replace(record, table=record.table.rows(range(5))))
    rest = len(record.table.image) - 5
    assert fewer.measured.left_out == {"could not be read": 2, "for reasons that the run does not record": rest}


def test_a_run_without_a_record_has_its_measured_cases(without):
    flow = flow_of(without("data"))
    assert (flow.steps, flow.sections) == ([], [])
    assert flow.measured.images == 28
    assert b"Measured (test section): 28 images of 28 patients" in flow_svg(flow)


def test_table_and_diagram_tell_the_same_numbers(record):
    flow = flow_of(record)
    table = next(part for part in flow_parts(flow) if isinstance(part, Table))
    assert ("left out: images of other views", "-60", "") in table.rows
    assert ("test section", "30", "30") in table.rows
    assert table.rows[-2:] == [("left out: could not be read", "-2", ""), ("measured (test section)", "28", "28")]
    svg = flow_svg(flow)
    assert svg == flow_svg(flow_of(record))  # the same bytes each time
    root = ElementTree.fromstring(svg)
    text = " ".join("".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text"))
    for words in ("Left out: 60 images", "Test section: 30 images of 30 patients", "could not be read: 2"):
        assert words in text
    assert not re.search(r"Mustermann|scan\d|study\d|Person", text)


def test_the_measured_sections_unread_files_stand_in_the_table_once(record):
    rows = flow_parts(flow_of(record))[0].rows
    assert [row[0] for row in rows if "could not be read" in row[0]] == [
        "training: could not be read",
        "left out: could not be read",
    ]


def test_texts_stay_within_their_boxes(record):
    """No line is wider than its box at 7.5 pixels a letter, more than Helvetica needs at 13."""
    long = replace(flow_of(record).steps[1], left_out={"a reason that is told at considerable length " * 3: 60})
    flow = replace(flow_of(record), steps=[flow_of(record).steps[0], long])
    root = ElementTree.fromstring(flow_svg(flow))
    name = "{http://www.w3.org/2000/svg}"
    boxes = [
        {k: float(r.get(k)) for k in ("x", "y", "width", "height")} for r in root.iter(f"{name}rect") if r.get("x")
    ]
    for text in root.iter(f"{name}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        inside = [b for b in boxes if b["x"] < x < b["x"] + b["width"] and b["y"] < y < b["y"] + b["height"]]
        assert inside
        assert any(len(text.text) * 7.5 <= b["width"] + 60 for b in inside)


@pytest.mark.parametrize(
    "provenance",
    ["text", [3], [{"images": "many"}], [{"images": 3, "left_out": {"a": "b"}}], {"images": 3}],
    ids=["text", "numbers", "words", "reasons", "mapping"],
)
def test_a_flow_of_another_form_is_no_record(record, provenance):
    """A datalist of another program may have anything in its provenance."""
    flow = flow_of(replace(record, data={**record.data, "provenance.flow": provenance}))
    assert [(step.what, step.images, step.left_out) for step in flow.steps] == [("in the datalist", 60, {})]


def test_metrics_that_do_not_tell_what_could_not_be_read_leave_it_open(record):
    flow = flow_of(replace(record, metrics={**record.metrics, "excluded": {"test": "two"}}))
    assert [each.unreadable for each in flow.sections] == [None] * 3
    assert flow.measured.left_out == {"could not be read": 0, "for reasons that the run does not record": 2}
