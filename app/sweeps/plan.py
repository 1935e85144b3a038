"""A study as its YAML file says it: a bundle, what is fixed, factors with their values, the cells, seeds or folds."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.checking.documents import DocumentError, read_document
from app.checking.files import foreign_overrides
from app.checking.trust import is_trusted
from app.nearest import did_you_mean
from app.sweeps.orderings import Claim, parse_claim
from app.sweeps.selecting import Selection, parse_selection

KEYS = ("name", "bundle", "run", "fixed", "data", "factors", "exclude", "cells", "seeds", "folds", "report")
BASE_KEYS = ("phantoms", "datalist", "findings", "split", "seed")
SPLIT_KEYS = ("shares", "seed")
FOLD_KEYS = ("count", "located_only", "validation", "seed")
STEP_KEYS = ("images", "patients", "uncertain", "unannotated", "level", "f1", "mix", "extra_share")
REPORT_KEYS = ("metrics", "orderings", "select")
OWN = ("output_dir", "seed")
"""Overrides that the study itself gives to each run."""
MOST_CELLS = 10_000
MOST_FOLDS = 1_000
EXPONENT = re.compile(r"[-+]?[\d.]+[eE][-+]?\d+")
"""A number that YAML takes for text, for want of a point or a sign: ``1e-4``, ``1.0e4``."""
NAME = re.compile(r"(?!\.+$)[\w.+\-]([\w.+\- ]*[\w.+\-])?")


@dataclass(frozen=True)
class Value:
    """One value of a factor: overrides, and what is done to the training section."""

    overrides: Mapping[str, Any]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One combination of values.

    Attributes:
        values: name of the value by factor, in the factors' order.
        overrides: of the fixed settings and of all values.
        data: steps that make its training section.
    """

    values: Mapping[str, str]
    overrides: Mapping[str, Any]
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As it is called and as its folder is named: ``level=contour,size=100``."""
        return ",".join(f"{factor}={value}" for factor, value in self.values.items()) or "all"


@dataclass(frozen=True)
class Folds:
    """Cross-validation in place of seeds; see ``app.datalist.splitting.folds``."""

    count: int
    located_only: bool = False
    validation: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Matrix:
    """A study as planned.

    Attributes:
        name: of the study, its folder and its parent run.
        bundle: config files, the bundle's own first.
        run: the run id.
        base: what cells' datalists are made from; empty where cells name no data.
        factors: names of the values by factor.
        cells: those that run.
        replicates: seeds, or numbers of folds.
        folds: how folds are made; None for seeds.
        metrics: paths into ``metrics.json``.
        claims: orderings that the results are held against.
        select: how the best cells are chosen; None where none is.
        trust: the user's word that its configs may run code.
    """

    name: str
    bundle: tuple[str, ...]
    run: str
    base: Mapping[str, Any]
    factors: Mapping[str, tuple[str, ...]]
    cells: tuple[Cell, ...]
    replicates: tuple[int, ...]
    folds: Folds | None
    metrics: tuple[str, ...]
    claims: tuple[Claim, ...] = field(default=())
    select: Selection | None = None
    trust: bool = False

    @property
    def replicate_word(self) -> str:
        """What a replicate is called: ``seed`` or ``fold``."""
        return "seed" if self.folds is None else "fold"


def read_matrix(path: Path, trust: bool = False) -> Matrix:
    """Read a study.

    Args:
        path: of its file. One from elsewhere may only hold what a config from elsewhere may; see docs/checking.md.
        trust: the user's word that it, and the configs that it names, may run code.

    Raises:
        ValueError: the file is no study, or holds what it may not; the text names the file, the key and what is
            allowed.
    """
    content = read_document(path, fast=is_trusted(path))
    try:
        matrix = _matrix(_mapping(content, "a study"), trust)
    except DocumentError:
        raise  # it names the file
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    problems = foreign_overrides(matrix.bundle, [cell.overrides for cell in matrix.cells], path, trust).problems
    if problems:
        raise ValueError("\n".join(["this study may not run:", *(f"  {problem}" for problem in problems)]))
    return matrix


def config_of(bundle: Sequence[str]) -> dict[str, Any]:
    """Top-level keys of config files, later ones over earlier ones; ``+key`` and ``key::part`` count for ``key``."""
    merged: dict[str, Any] = {}
    for name in bundle:
        content = read_document(Path(name), fast=is_trusted(Path(name)))
        for key, value in _mapping(content, name).items():
            top = _top(str(key).removeprefix("+"))
            merged[str(key) if top in merged or top == key else top] = value
    return merged


def _matrix(content: Mapping[str, Any], trust: bool) -> Matrix:
    _require_keys(content, KEYS, "the study")
    name, bundle = _name(content.get("name"), "name"), _bundle(content.get("bundle"))
    base = _mapping(content.get("data"), "data")
    _require_keys(base, BASE_KEYS, "data")
    _require_keys(_mapping(base.get("split"), "split"), SPLIT_KEYS, "split")
    if base and ("phantoms" in base) == ("datalist" in base):
        raise ValueError("data: give either 'phantoms' or 'datalist'.")
    fixed = _mapping(content.get("fixed"), "fixed")
    factors = {_name(key, "factors"): _values(str(key), given) for key, given in _factors(content).items()}
    folds, replicates = _replicates(content)
    report = _mapping(content.get("report"), "report")
    _require_keys(report, REPORT_KEYS, "report")
    cells = _cells(factors, fixed, content)
    _require_settings(bundle, [fixed, *(value.overrides for each in factors.values() for value in each.values())])
    _require_data(cells, base, folds)
    names = {factor: tuple(values) for factor, values in factors.items()}
    combinations = [cell.values for cell in cells]
    return Matrix(
        name=name,
        bundle=bundle,
        run=str(content.get("run", "training")),
        base=base,
        factors=names,
        cells=cells,
        replicates=replicates,
        folds=folds,
        metrics=_texts(report.get("metrics", ["auc.macro"]), "report: metrics"),
        claims=tuple(
            parse_claim(text, names, combinations) for text in _texts(report.get("orderings", []), "report: orderings")
        ),
        select=_selection(report.get("select"), tuple(names)),
        trust=trust,
    )


def _selection(given: object, factors: Sequence[str]) -> Selection | None:
    return None if given is None else parse_selection(_mapping(given, "report: select"), factors)


def _factors(content: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(content.get("factors"), "factors")


def _values(factor: str, given: object) -> dict[str, Value]:
    """A factor's values by name: a list of plain values of one override, or a mapping of overrides each."""
    if isinstance(given, list) and given:
        values = {_name(each, f"factor {factor}"): Value({factor: each}, {}) for each in given}
        if len(values) < len(given):
            raise ValueError(f"factor {factor}: a value stands twice in {given}.")
        return values
    mapping = _mapping(given, f"factor {factor}")
    if not mapping:
        raise ValueError(f"factor {factor}: needs one value or more.")
    return {_name(name, f"factor {factor}"): _value(each, f"{factor}={name}") for name, each in mapping.items()}


def _value(given: object, where: str) -> Value:
    content = dict(_mapping(given, where))
    data = _mapping(content.pop("data", None), f"{where}: data")
    _require_keys(data, STEP_KEYS, f"{where}: data")
    return Value(content, data)


def _cells(
    factors: Mapping[str, Mapping[str, Value]], fixed: Mapping[str, Any], content: Mapping[str, Any]
) -> tuple[Cell, ...]:
    chosen, excluded = (_patterns(content.get(key), factors, key) for key in ("cells", "exclude"))
    count = math.prod(map(len, factors.values()))
    if count > MOST_CELLS:
        raise ValueError(f"factors: {count} combinations; at most {MOST_CELLS} are allowed.")
    cells = []
    for names in itertools.product(*factors.values()):
        values = dict(zip(factors, names, strict=True))
        wanted = not chosen or any(_matches(values, pattern) for pattern in chosen)
        if wanted and not any(_matches(values, pattern) for pattern in excluded):
            parts = [factors[factor][name] for factor, name in values.items()]
            overrides = _joined([part.overrides for part in parts], values)
            cells.append(Cell(values, {**fixed, **overrides}, _joined([part.data for part in parts], values)))
    if not cells:
        raise ValueError("no cell is left to run: look at 'cells' and 'exclude'.")
    return tuple(cells)


def _joined(parts: Iterable[Mapping[str, Any]], values: Mapping[str, str]) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for part in parts:
        both = sorted(joined.keys() & part.keys())
        if both:
            raise ValueError(f"{', '.join(f'{k}={v}' for k, v in values.items())}: two factors set {both[0]!r}.")
        joined |= part
    return joined


def _patterns(given: object, factors: Mapping[str, Mapping[str, Value]], key: str) -> list[dict[str, set[str]]]:
    if given is not None and not isinstance(given, list):
        raise ValueError(f"{key}: must be a list such as [{{FACTOR: VALUE}}], not {given!r}.")
    patterns = []
    for each in given or []:
        pattern = {}
        for factor, values in _mapping(each, key).items():
            _require_keys({factor: 0}, tuple(factors), key)
            names = {_text(value) for value in (values if isinstance(values, list) else [values])}
            _require_keys(dict.fromkeys(names, 0), tuple(factors[factor]), f"{key}: {factor}")
            pattern[factor] = names
        patterns.append(pattern)
    return patterns


def _matches(values: Mapping[str, str], pattern: Mapping[str, set[str]]) -> bool:
    return all(values[factor] in names for factor, names in pattern.items())


def _replicates(content: Mapping[str, Any]) -> tuple[Folds | None, tuple[int, ...]]:
    if content.get("folds") is not None:
        if content.get("seeds") is not None:
            raise ValueError("give 'seeds' or 'folds', not both.")
        folds = _folds(_mapping(content["folds"], "folds"))
        return folds, tuple(range(folds.count))
    seeds = content.get("seeds", [0, 1, 2])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ValueError(f"seeds: must be a list of whole numbers from 0, not {seeds!r}.")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: {seeds} names one twice.")
    return None, tuple(seeds)


def _folds(given: Mapping[str, Any]) -> Folds:
    """Folds, each of whose values is of its kind: a run's override ``seed`` comes from here, and text could be code."""
    _require_keys(given, FOLD_KEYS, "folds")
    allowed = {
        "count": (f"a whole number from 2 to {MOST_FOLDS}", lambda n: type(n) is int and 2 <= n <= MOST_FOLDS),
        "located_only": ("true or false", lambda value: isinstance(value, bool)),
        "validation": ("a number above 0 and below 1", lambda share: type(share) in (int, float) and 0 < share < 1),
        "seed": ("a whole number from 0", lambda seed: type(seed) is int and seed >= 0),
    }
    for key, value in {"count": None, **given}.items():
        words, is_allowed = allowed[key]
        if not is_allowed(value):
            raise ValueError(f"folds: {key!r} must be {words}, not {value!r}.")
    return Folds(**given)


def _require_settings(bundle: Sequence[str], parts: Sequence[Mapping[str, Any]]) -> None:
    """Raise where an override is the study's own, no key of the config, or a number that YAML took for text."""
    known = tuple(config_of(bundle))
    for part in parts:
        for key, value in part.items():
            if key in OWN:
                raise ValueError(f"{key!r} is set by the study itself for each run.")
            _require_keys({_top(key): 0}, known, f"settings of {bundle[0]}")
            if isinstance(value, str) and EXPONENT.fullmatch(value):
                raise ValueError(f"{key}: {value!r} is text to YAML; write it with a point, such as 1.0e-4.")


def _require_data(cells: Sequence[Cell], base: Mapping[str, Any], folds: Folds | None) -> None:
    for cell in cells:
        if not base and (cell.data or folds):
            raise ValueError(
                "cells or folds that differ in their data need 'data': phantoms or a datalist to start from."
            )
        if base and "datalist" in cell.overrides:
            raise ValueError(f"{cell.name}: names a datalist, but 'data' makes one.")
        if "mix" in cell.data and "level" in cell.data:
            raise ValueError(f"{cell.name}: give 'level' or 'mix', not both.")
        if "images" in cell.data and "patients" in cell.data:
            raise ValueError(f"{cell.name}: give 'images' or 'patients', not both.")
        asks_nlp = cell.data.get("level") == "nlp" or "nlp" in _mapping(cell.data.get("mix"), "mix")
        if asks_nlp != ("f1" in cell.data):
            raise ValueError(f"{cell.name}: 'f1' belongs to the level nlp; give both or neither.")
        if "extra_share" in cell.data and not (folds and folds.located_only):
            raise ValueError(f"{cell.name}: 'extra_share' needs folds that are located_only.")


def _require_keys(given: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f"{where}: unknown {key!r}; known are {', '.join(known)}.{did_you_mean(key, known)}")


def _mapping(given: object, where: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError(f"{where}: must be a mapping, not {given!r}.")
    return {_text(key): value for key, value in given.items()}


def _texts(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise ValueError(f"{where}: must be a list of texts, not {given!r}.")
    return tuple(given)


def _bundle(given: object) -> tuple[str, ...]:
    files = _texts(given if isinstance(given, list) else [given], "bundle")
    if not files:
        raise ValueError("bundle: name a config file, or a list of them.")
    return files


def _name(given: object, where: str) -> str:
    text = _text(given)
    if isinstance(given, (list, dict)) or given is None or not NAME.fullmatch(text):
        raise ValueError(f"{where}: {given!r} is no name; use letters, digits, spaces and . + - _ (or name the value).")
    return text


def _text(given: object) -> str:
    return str(given).lower() if isinstance(given, bool) else str(given)


def _top(key: str) -> str:
    return key.split("#")[0].split("::")[0]
