"""JSON in which a key is given twice is refused; everything else is read as any reader does."""

import json
from pathlib import Path

import pytest

from app.annotation_formats.coco import read_coco
from app.annotation_formats.marks import AnnotationError
from app.datalist.file import read_datalist
from app.datalist.validate import DatalistError
from app.files.strict_json import strict_loads

TWICE = [
    '{"a": 1, "a": 2}',
    '{"a":1,"a":1}',
    '{"a" : 1, "a":2}',
    '[{"a": 1}, {"b": {"c": [{"d": 1, "d": 2}]}}]',
    '{"a": 1, "\\u0061": 2}',
    '{"a": [1, {"b": 1, "b": 2}]}',
    '{"a": ":", "b": "x", "a": 1}',
]


@pytest.mark.parametrize("text", TWICE)
def test_a_key_given_twice_is_refused(text: str):
    with pytest.raises(ValueError, match="is given twice in one object"):
        strict_loads(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": {"a": 2}}',
        '{"a": "\\": \\"", "b": ":", "c": "\\\\"}',
        '[{"a": 1}, {"a": 1}]',
        '{"a": ["x", {"b": [[{"c": 1}]]}], "": 0}',
        "[]",
        "3.5",
    ],
)
def test_what_has_no_key_twice_is_read_as_json_reads_it(text: str):
    assert strict_loads(text.encode()) == json.loads(text)


HEAD = '"name": "made", "findings": ["Nodule"]'


@pytest.mark.parametrize(
    "text",
    [
        '{HEAD,\n"training": [\n{"image":"1.png","patient":"a","patient":"b","label":[1]}\n]\n}',
        '{HEAD, "training": [{"image":"1.png","patient":"a","label":[1]}], "training": []}',
        '{HEAD,\n"training": [\n{"image":"1.png","patient":"a","label":[1]}\n],\n"training": [\n]\n}',
        '{"findings": ["Mass"], HEAD, "training": [{"image":"1.png","patient":"a","label":[1]}]}',
    ],
    ids=["an item's", "a section, whole", "a section, by line", "the head's"],
)
def test_a_datalist_with_a_key_twice_is_refused(tmp_path: Path, text: str):
    (tmp_path / "data.json").write_text(text.replace("HEAD", HEAD))
    with pytest.raises(DatalistError, match=r"data\.json: not a JSON file \(the key '\w+' is given twice"):
        read_datalist(tmp_path / "data.json")


def test_coco_with_a_key_twice_is_refused(tmp_path: Path):
    (tmp_path / "coco.json").write_text('{"images": [], "categories": [], "annotations": [], "images": []}')
    with pytest.raises(AnnotationError, match=r"coco\.json: not a JSON file \(the key 'images' is given twice"):
        read_coco(tmp_path / "coco.json")
