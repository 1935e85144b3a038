"""The written form of one item: from the JSON record of a datalist file to an :class:`Item`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.datalist.item import Box, Item, RunLengths
from app.datalist.people import normalised
from app.findings import NOT_SAID
from app.nearest import did_you_mean

ITEM_KEYS = ("image", "patient", "study", "view", "label", "annotated", "boxes", "mask", "source", "attributes")
BOX_KEYS = ("finding", "x", "y", "width", "height", "reader")
MASK_KEYS = ("size", "counts")

_ITEM_KEYS = frozenset(ITEM_KEYS)
_BOX_KEYS = frozenset(BOX_KEYS)
_TEXTS = ("patient", "study", "view", "source")
_COORDINATES = ("x", "y", "width", "height")
_NO_MASK: Mapping[str, str | RunLengths] = {}
_NO_ATTRIBUTES: Mapping[str, str | int | float | bool] = {}


class ItemParser:
    """Makes Items of records; equal labels, attributes and short texts are kept once in memory.

    Parse errors are collected in ``problems``, each with the item's place, rather than raised one by one.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._texts: dict[str, str] = {}
        self._patients: dict[str, str] = {}
        self._labels: dict[tuple, tuple[float, ...]] = {}
        self._annotated: dict[tuple, tuple[str, ...]] = {}
        self._attributes: dict[tuple, Mapping[str, str | int | float | bool]] = {}

    def item(self, record: object, section: str, index: int) -> Item | None:
        """The Item of one JSON record; None, with a problem noted, where it names no image."""
        if not isinstance(record, dict) or not isinstance(record.get("image"), str) or not record["image"]:
            self.problems.append(f"{section}[{index}]: every item is an object with 'image', the path of its image.")
            return None
        where = f"{section}[{index}] {record['image']}"
        if not record.keys() <= _ITEM_KEYS:
            self._unknown_keys(record, ITEM_KEYS, where)
        get, kept = record.get, self._texts.setdefault
        patient, study, view, source = get("patient", ""), get("study", ""), get("view", ""), get("source", "")
        if not type(patient) is type(study) is type(view) is type(source) is str:
            patient, study, view, source = self._only_texts(record, where)
        return Item(
            image=record["image"],
            patient=self._patients.get(patient) or self._patient(patient),
            label=self._label(get("label"), where),
            study=study,
            view=kept(view, view),
            boxes=self._boxes(record["boxes"], where) if get("boxes") else (),
            mask=self._masks(record["mask"], where) if get("mask") else _NO_MASK,
            annotated=self._names(record["annotated"], where) if get("annotated") else (),
            source=kept(source, source),
            attributes=self._values(record["attributes"], where) if get("attributes") else _NO_ATTRIBUTES,
        )

    def _patient(self, patient: str) -> str:
        return self._patients.setdefault(patient, normalised(patient))

    def _only_texts(self, record: dict, where: str) -> list[str]:
        texts = []
        for key in _TEXTS:
            value = record.get(key, "")
            if type(value) is not str:
                self.problems.append(f"{where}: {key!r} must be text in quotes, not {value!r}.")
                value = ""
            texts.append(value)
        return texts

    def _unknown_keys(self, record: dict, known: Sequence[str], where: str) -> None:
        for key in record:
            if key not in known:
                hint = did_you_mean(key, known)
                self.problems.append(f"{where}: unknown key {key!r}.{hint} Known: {', '.join(known)}.")

    def _label(self, values: object, where: str) -> tuple[float, ...]:
        # Equal labels are common: what was seen before has been checked before.
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
            self.problems.append(f"{where}: label {values!r}: what nobody said is written null, not {NOT_SAID}.")
            return tuple(values)
        known = tuple(NOT_SAID if value is None else value for value in values)
        return self._labels.setdefault(tuple(values), known)

    def _names(self, names: object, where: str) -> tuple[str, ...]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.problems.append(f"{where}: 'annotated' must be a list of findings, not {names!r}.")
            return ()
        key = tuple(names)
        return self._annotated.setdefault(key, key)

    def _values(self, values: object, where: str) -> Mapping[str, str | int | float | bool]:
        if isinstance(values, dict):
            # The types belong to the key because True, 1 and 1.0 are equal.
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
        numbers = [record.get(key) for key in _COORDINATES]
        reader = record.get("reader", "")
        if not all(type(value) in _NUMBER_TYPES for value in numbers) or not isinstance(reader, str):
            self.problems.append(f"{where}: x, y, width and height must be numbers and reader text, not {record!r}.")
            return None
        kept = self._texts.setdefault
        x, y, width, height = map(float, numbers)  # type: ignore[arg-type]  # their types were looked at above
        return Box(kept(record["finding"], record["finding"]), x, y, width, height, kept(reader, reader))

    def _masks(self, records: object, where: str) -> Mapping[str, str | RunLengths]:
        if not isinstance(records, dict):
            self.problems.append(f"{where}: 'mask' must be an object of a path or run lengths by finding.")
            return _NO_MASK
        masks: dict[str, str | RunLengths] = {}
        for finding, value in records.items():
            mask = value if isinstance(value, str) else _run_lengths(value)
            if mask is None:
                self.problems.append(
                    f"{where}, mask of {finding}: must be a path or "
                    '{"size": [height, width], "counts": [whole numbers that add up to height x width]}.'
                )
                continue
            masks[self._texts.setdefault(finding, finding)] = mask
        return masks


_LABEL_TYPES = (int, float, type(None))
_NUMBER_TYPES = (int, float)
_ATTRIBUTE_TYPES = frozenset({str, int, float, bool})


def item_record(item: Item) -> dict[str, Any]:
    """What is written of an Item; keys in the order of the form, what is empty left out."""
    record: dict[str, Any] = {"image": item.image, "patient": item.patient}
    if item.study:
        record["study"] = item.study
    if item.view:
        record["view"] = item.view
    record["label"] = [None if value == NOT_SAID else _plain(value) for value in item.label]
    if item.annotated:
        record["annotated"] = item.annotated
    if item.boxes:
        record["boxes"] = [_box_record(box) for box in item.boxes]
    if item.mask:
        record["mask"] = {finding: _mask_record(mask) for finding, mask in item.mask.items()}
    if item.source:
        record["source"] = item.source
    if item.attributes:
        record["attributes"] = dict(item.attributes)
    return record


def _plain(value: float) -> float:
    """1 rather than 1.0, for the eye and so that equal labels have one written form."""
    whole = int(value)
    return whole if whole == value else float(value)


def _box_record(box: Box) -> dict[str, Any]:
    record = dict(zip(BOX_KEYS, box, strict=True))
    if not box.reader:
        del record["reader"]
    return record


def _mask_record(mask: str | RunLengths) -> object:
    return mask if isinstance(mask, str) else {"size": mask.size, "counts": mask.counts}


def _run_lengths(value: object) -> RunLengths | None:
    if not isinstance(value, dict) or sorted(value) != sorted(MASK_KEYS):
        return None
    size, counts = value["size"], value["counts"]
    if not isinstance(size, list) or not isinstance(counts, list) or len(size) != 2:
        return None
    if not all(type(number) is int and number >= 0 for number in (*size, *counts)) or sum(counts) != size[0] * size[1]:
        return None
    return RunLengths((size[0], size[1]), tuple(counts))
