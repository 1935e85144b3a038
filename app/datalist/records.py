"""The JSON record of one item: read it into an :class:`Item`, and write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.datalist.item import Box, Item, RunLengths
from app.datalist.people import normalised
from app.findings import NOT_SAID
from app.nearest import did_you_mean

ITEM_KEYS = ("image", "patient", "study", "view", "label", "annotated", "boxes", "mask", "source", "attributes")
BOX_KEYS = ("finding", "x", "y", "width", "height", "reader")

_ITEM_KEYS = frozenset(ITEM_KEYS)
_BOX_KEYS = frozenset(BOX_KEYS)
_LABEL_TYPES = (int, float, type(None))
_NUMBER_TYPES = (int, float)
_ATTRIBUTE_TYPES = frozenset({str, int, float, bool})
_NO_MASK: Mapping[str, str | RunLengths] = {}
_NO_ATTRIBUTES: Mapping[str, str | int | float | bool] = {}


class RecordReader:
    """Turns JSON records into Items. Equal labels, attributes and short texts share one object, to save memory.

    Attributes:
        problems: Everything wrong with the records read so far, each with its item.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._texts: dict[str, str] = {}
        self._patients: dict[str, str] = {}
        self._labels: dict[tuple, tuple[float, ...]] = {}
        self._annotated: dict[tuple, tuple[str, ...]] = {}
        self._attributes: dict[tuple, Mapping[str, str | int | float | bool]] = {}

    def item(self, record: object, section: str, index: int) -> Item | None:
        """The Item of one record; None, with a problem noted, if it names no image."""
        if not isinstance(record, dict) or not isinstance(record.get("image"), str) or not record["image"]:
            self.problems.append(f"{section}[{index}]: every item is an object with 'image', the path of its image.")
            return None
        where = f"{section}[{index}] {record['image']}"
        if not record.keys() <= _ITEM_KEYS:
            self._unknown_keys(record, ITEM_KEYS, where)
        get, shared = record.get, self._texts.setdefault
        patient, study, view, source = get("patient", ""), get("study", ""), get("view", ""), get("source", "")
        if not type(patient) is type(study) is type(view) is type(source) is str:
            patient, study, view, source = (self._text(record, key, where) for key in _TEXT_KEYS)
        return Item(
            image=record["image"],
            patient=self._patients.get(patient) or self._patients.setdefault(patient, normalised(patient)),
            label=self._label(get("label"), where),
            study=study,
            view=shared(view, view),
            boxes=self._boxes(record["boxes"], where) if get("boxes") else (),
            mask=self._masks(record["mask"], where) if get("mask") else _NO_MASK,
            annotated=self._names(record["annotated"], where) if get("annotated") else (),
            source=shared(source, source),
            attributes=self._values(record["attributes"], where) if get("attributes") else _NO_ATTRIBUTES,
        )

    def _text(self, record: dict, key: str, where: str) -> str:
        value = record.get(key, "")
        if type(value) is str:
            return value
        self.problems.append(f"{where}: {key!r} must be text in quotes, not {value!r}.")
        return ""

    def _unknown_keys(self, record: dict, known: Sequence[str], where: str) -> None:
        self.problems += [
            f"{where}: unknown key {key!r}.{did_you_mean(key, known)} Known: {', '.join(known)}."
            for key in record
            if key not in known
        ]

    def _label(self, values: object, where: str) -> tuple[float, ...]:
        # Most labels equal one that was checked before.
        if type(values) is list:
            try:
                known = self._labels.get(tuple(values))
            except TypeError:  # a list or an object among the values
                known = None
            if known is not None:
                return known
        if not isinstance(values, list) or not all(type(value) in _LABEL_TYPES for value in values):
            self.problems.append(f"{where}: 'label' must be a list of 1, 0, -1, null or certainties, not {values!r}.")
            return ()
        if NOT_SAID in values:
            self.problems.append(f"{where}: label {values!r}: a value that is not said is null, not {NOT_SAID}.")
            return tuple(values)
        return self._labels.setdefault(tuple(values), tuple(NOT_SAID if value is None else value for value in values))

    def _names(self, names: object, where: str) -> tuple[str, ...]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.problems.append(f"{where}: 'annotated' must be a list of findings, not {names!r}.")
            return ()
        key = tuple(names)
        return self._annotated.setdefault(key, key)

    def _values(self, values: object, where: str) -> Mapping[str, str | int | float | bool]:
        if isinstance(values, dict):
            # The key holds the types because True, 1 and 1.0 are equal.
            types = tuple(map(type, values.values()))
            if _ATTRIBUTE_TYPES.issuperset(types):
                return self._attributes.setdefault((types, *values.items()), values)
        self.problems.append(f"{where}: 'attributes' must be an object of texts, numbers, true or false.")
        return _NO_ATTRIBUTES

    def _boxes(self, records: object, where: str) -> tuple[Box, ...]:
        if not isinstance(records, list):
            self.problems.append(f"{where}: 'boxes' must be a list, not {records!r}.")
            return ()
        boxes = [self._box(record, f"{where}, boxes[{index}]") for index, record in enumerate(records)]
        return tuple(box for box in boxes if box is not None)

    def _box(self, record: object, where: str) -> Box | None:
        if not isinstance(record, dict) or not isinstance(record.get("finding"), str):
            self.problems.append(f"{where}: a box is an object of {', '.join(BOX_KEYS)}, not {record!r}.")
            return None
        if not record.keys() <= _BOX_KEYS:
            self._unknown_keys(record, BOX_KEYS, where)
        numbers = [record.get(key) for key in BOX_KEYS[1:5]]
        reader = record.get("reader", "")
        if not all(type(value) in _NUMBER_TYPES for value in numbers) or not isinstance(reader, str):
            self.problems.append(f"{where}: x, y, width and height must be numbers and reader text, not {record!r}.")
            return None
        shared = self._texts.setdefault
        x, y, width, height = map(float, numbers)  # type: ignore[arg-type]  # the types were checked above
        return Box(shared(record["finding"], record["finding"]), x, y, width, height, shared(reader, reader))

    def _masks(self, records: object, where: str) -> Mapping[str, str | RunLengths]:
        if not isinstance(records, dict):
            self.problems.append(f"{where}: 'mask' must be an object that gives a path or run lengths by finding.")
            return _NO_MASK
        masks: dict[str, str | RunLengths] = {}
        for finding, value in records.items():
            mask = value if isinstance(value, str) else _run_lengths(value)
            if mask is None:
                self.problems.append(
                    f"{where}, mask of {finding}: must be a path or "
                    '{"size": [height, width], "counts": [whole numbers that add up to height x width]}.'
                )
            else:
                masks[self._texts.setdefault(finding, finding)] = mask
        return masks


_TEXT_KEYS = ("patient", "study", "view", "source")


def item_record(item: Item) -> dict[str, Any]:
    """The JSON record of an Item: keys in the order of ``ITEM_KEYS``, without those that are empty.

    Example:
        >>> item_record(Item("1.png", "7", (1.0, -2), view="PA"))
        {'image': '1.png', 'patient': '7', 'view': 'PA', 'label': [1, None]}
    """
    record: dict[str, Any] = {"image": item.image, "patient": item.patient}
    if item.study:
        record["study"] = item.study
    if item.view:
        record["view"] = item.view
    record["label"] = [None if value == NOT_SAID else _shortest(value) for value in item.label]
    if item.annotated:
        record["annotated"] = item.annotated
    if item.boxes:
        record["boxes"] = [_box_record(box) for box in item.boxes]
    if item.mask:
        record["mask"] = {
            finding: mask if isinstance(mask, str) else mask._asdict() for finding, mask in item.mask.items()
        }
    if item.source:
        record["source"] = item.source
    if item.attributes:
        record["attributes"] = dict(item.attributes)
    return record


def _box_record(box: Box) -> dict[str, Any]:
    record = box._asdict()
    if not box.reader:
        del record["reader"]
    return record


def _shortest(value: float) -> float:
    """1 instead of 1.0, so that equal labels are written alike."""
    whole = int(value)
    return whole if whole == value else float(value)


def _run_lengths(value: object) -> RunLengths | None:
    if not isinstance(value, dict) or value.keys() != {"size", "counts"}:
        return None
    size, counts = value["size"], value["counts"]
    if not isinstance(size, list) or not isinstance(counts, list) or len(size) != 2:
        return None
    if not all(type(number) is int and number >= 0 for number in (*size, *counts)) or sum(counts) != size[0] * size[1]:
        return None
    return RunLengths((size[0], size[1]), tuple(counts))
