"""Reading study files: YAML that names a bundle, fixed settings, factors, seeds or folds, and a report."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from app.checking.documents import read_document
from app.checking.files import load, untrusted_overrides
from app.checking.structure import OF_LAUNCH, OF_RESULTS
from app.checking.trust import is_trusted
from app.installed import find_config
from app.sweeps.cell_files import require_cells, with_cell_files, with_paths
from app.sweeps.cell_pairs import parse_comparisons
from app.sweeps.fields import as_mapping, as_name, as_pattern, as_texts, matches, require_known
from app.sweeps.metric_names import VALIDATION, require_metrics
from app.sweeps.orderings import parse_ordering
from app.sweeps.resources import parse_resources
from app.sweeps.sweep import Cell, Folds, Selection, Sweep, cell_name

KEYS = (
    *("name", "bundle", "run", "fixed", "data", "factors", "evaluations", "exclude", "cells", "seeds", "folds"),
    *("resources", "report"),
)
BASE_KEYS = ("phantoms", "datalist", "findings", "split", "seed")
STEP_KEYS = ("images", "patients", "uncertain", "unannotated", "level", "f1", "mix", "extra_share")
FOLD_KEYS = ("count", "located_only", "validation", "seed")
REPORT_KEYS = ("metrics", "orderings", "comparisons", "select")
EVALUATION, OWN = "evaluation", "own"
"""The factor that evaluations become, and its value for the training itself."""
OWN_OVERRIDES = ("output_dir", "seed", "run_name")
MOST_CELLS = 10_000
MOST_FOLDS = 1_000
EXPONENT = re.compile(r"[-+]?[\d.]+[eE][-+]?\d+")
"""A number that YAML 1.1 reads as text, because it lacks a point or a sign: ``1e-4``, ``1.0e4``."""


class FactorValue(NamedTuple):
    """One value of a factor: its overrides, what it does to the training section, and what its cells claim."""

    overrides: Mapping[str, Any]
    data: Mapping[str, Any]
    resources: Mapping[str, float] = MappingProxyType({})


Factors = Mapping[str, Mapping[str, FactorValue]]


def read_sweep(path: Path, trust: bool = False) -> Sweep:
    """Read a study file.

    Args:
        path: The file. A file from outside of ``bundles/`` may only hold what a config from there may; see
            docs/checking.md.
        trust: Whether the user allows it, and the configs that it names, to run code.

    Raises:
        ValueError: It is no study file, or holds what it may not; names the file, the key and what is allowed.
    """
    content = read_document(path, fast=is_trusted(path))
    try:
        content = as_mapping(content, "a study file", KEYS)
        bundle = _bundle(content.get("bundle"))
        own = load([find_config(each) for each in bundle], trust=trust)
        sweep = _sweep(content, bundle, own.config, trust)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    overrides = [
        {key: with_paths(value, lambda file: file.name) for key, value in cell.overrides.items()}
        for cell in sweep.cells
    ]
    problems = untrusted_overrides(own, overrides, path, trust)
    if problems:
        raise ValueError("\n".join(["this study may not run:", *(f"  {problem}" for problem in problems)]))
    return sweep


def _sweep(content: Mapping[str, Any], bundle: tuple[str, ...], config: Mapping[str, Any], trust: bool) -> Sweep:
    name = as_name(content.get("name"), "name")
    base = _base(content.get("data"))
    fixed = as_mapping(content.get("fixed"), "fixed")
    given = as_mapping(content.get("factors"), "factors")
    factors = {as_name(factor, "factors"): _factor(factor, values) for factor, values in given.items()}
    factors |= _evaluations(content.get("evaluations"), factors)
    names = {factor: tuple(values) for factor, values in factors.items()}
    folds, replicates = _replicates(content)
    cells = _cells(content, factors, fixed, base)
    overrides = [fixed, *(value.overrides for values in factors.values() for value in values.values())]
    _check_overrides(overrides, config, bundle[0])
    for cell in cells:
        _check_data(cell, folds)
    require_cells(cells, has_folds=folds is not None)
    report = as_mapping(content.get("report"), "report", REPORT_KEYS)
    orderings = report.get("orderings") or []
    if not isinstance(orderings, list):
        raise ValueError(f"report: orderings: must be a list, not {orderings!r}.")
    combinations = [cell.values for cell in cells]
    metrics = as_texts(report.get("metrics", ["auc.macro"]), "report: metrics")
    parsed = tuple(parse_ordering(ordering, names, combinations) for ordering in orderings)
    require_metrics((*metrics, *(ordering.metric for ordering in parsed)), "report")
    return Sweep(
        name=name,
        bundle=bundle,
        run_id=str(content.get("run", "training")),
        base=base,
        factors=names,
        cells=cells,
        replicates=replicates,
        folds=folds,
        metrics=metrics,
        orderings=parsed,
        select=parse_selection(report.get("select"), tuple(names)),
        comparisons=parse_comparisons(report.get("comparisons"), names, combinations, folds is not None),
        trust=trust,
    )


def parse_selection(given: object, factors: Sequence[str]) -> Selection | None:
    """Read ``{metric: validation.auc, over: [learning_rate]}``; without ``over``, all factors are chosen over.

    Raises:
        ValueError: A key or factor is unknown, or the metric is not of validation.
    """
    if given is None:
        return None
    content = as_mapping(given, "report: select")
    if not {"metric"} <= content.keys() <= {"metric", "over"}:
        raise ValueError(f"report: select: must be {{metric: validation.auc, over: [FACTOR]}}, not {content!r}.")
    metric, over = content["metric"], content.get("over", [name for name in factors if name != EVALUATION])
    if not isinstance(metric, str) or not metric.startswith(VALIDATION):
        raise ValueError(
            f"report: select: {metric!r} is no metric of validation, such as validation.auc. A cell that was chosen by "
            "its test result no longer has an honest one."
        )
    if not isinstance(over, list) or not over or not set(over) <= set(factors):
        raise ValueError(f"report: select: 'over' must be a list of factors ({', '.join(factors)}), not {over!r}.")
    return Selection(metric, tuple(over))


def _bundle(given: object) -> tuple[str, ...]:
    files = as_texts(given if isinstance(given, list) else [given], "bundle")
    if not files:
        raise ValueError("bundle: name a bundle or a config file, or a list of them.")
    return files


def _base(given: object) -> dict[str, Any]:
    base = as_mapping(given, "data", BASE_KEYS)
    as_mapping(base.get("split"), "split", ("shares", "seed"))
    if base and ("phantoms" in base) == ("datalist" in base):
        raise ValueError("data: give either 'phantoms' or 'datalist'.")
    return base


def _evaluations(given: object, factors: Factors) -> dict[str, dict[str, FactorValue]]:
    """The factor that evaluations are; none if there are none."""
    evaluations = as_mapping(given, "evaluations")
    if not evaluations:
        return {}
    if EVALUATION in factors or OWN in evaluations:
        raise ValueError(f"evaluations: they are the values of a factor {EVALUATION!r}, beside {OWN!r}; rename yours.")
    values = {OWN: FactorValue({}, {})}
    for name, overrides in evaluations.items():
        value = _factor_value(overrides, f"{EVALUATION}={name}", BASE_KEYS)
        values[as_name(name, "evaluations")] = FactorValue({"checkpoint": {"cell": {}}, **value.overrides}, value.data)
    return {EVALUATION: values}


def _factor(factor: str, given: object) -> dict[str, FactorValue]:
    """Values of a factor by name, from a list of values of one override or a mapping of names to overrides."""
    where = f"factor {factor}"
    if isinstance(given, list) and given:
        values = {as_name(value, where): FactorValue({factor: value}, {}) for value in given}
        if len(values) < len(given):
            raise ValueError(f"{where}: a value is there twice in {given}.")
        return values
    named = as_mapping(given, where)
    if not named:
        raise ValueError(f"{where}: needs at least one value.")
    return {as_name(name, where): _factor_value(value, f"{factor}={name}") for name, value in named.items()}


def _factor_value(given: object, where: str, known: Sequence[str] = (*BASE_KEYS, *STEP_KEYS)) -> FactorValue:
    overrides = as_mapping(given, where)
    data = as_mapping(overrides.pop("data", None), f"{where}: data", known)
    as_mapping(data.get("split"), f"{where}: split", ("shares", "seed"))
    resources = parse_resources(overrides.pop("resources", None), f"{where}: resources")
    return FactorValue(overrides, data, resources)


def _cells(
    content: Mapping[str, Any], factors: Factors, fixed: Mapping[str, Any], base: Mapping[str, Any]
) -> tuple[Cell, ...]:
    """The cells that match ``cells``, if given, and do not match ``exclude``."""
    count = math.prod(map(len, factors.values()))
    if count > MOST_CELLS:
        raise ValueError(f"factors: {count} combinations; at most {MOST_CELLS} are allowed.")
    included, excluded = (_patterns(content.get(key), factors, key) for key in ("cells", "exclude"))
    claimed = parse_resources(content.get("resources"), "resources")
    cells: list[Cell] = []
    for names in itertools.product(*factors.values()):
        values = dict(zip(factors, names, strict=True))
        is_included = not included or any(matches(values, pattern) for pattern in included)
        if is_included and not any(matches(values, pattern) for pattern in excluded):
            resources = {**claimed, **_merged(factors[factor][name].resources for factor, name in values.items())}
            cells.append(replace(_cell(values, factors, fixed, base), resources=resources))
    if not cells:
        raise ValueError("no cell is left to run: look at 'cells' and 'exclude'.")
    return tuple(cells)


def _cell(values: Mapping[str, str], factors: Factors, fixed: Mapping[str, Any], base: Mapping[str, Any]) -> Cell:
    """The cell with these factor values; one that evaluates another's training has its overrides and data otherwise."""
    parts = [factors[factor][name] for factor, name in values.items() if factor != EVALUATION]
    overrides, data = {**fixed, **_merged(part.overrides for part in parts)}, _merged(part.data for part in parts)
    evaluation = values.get(EVALUATION, OWN)
    asked = FactorValue({}, {}) if evaluation == OWN else factors[EVALUATION][evaluation]
    named = cell_name(values)
    own_base, steps = _with_base(base, data, named), {key: data[key] for key in data if key in STEP_KEYS}
    if asked.data or "datalist" in asked.overrides:
        # Other radiographs: nothing is changed about them, as about no test section.
        own_base, steps = _with_base({} if "datalist" in asked.overrides else base, asked.data, named), {}
    trained = {**values, EVALUATION: OWN} if EVALUATION in values else values
    overrides = with_cell_files({**overrides, **asked.overrides}, trained, named)
    return Cell(values, overrides, steps, own_base, "" if evaluation == OWN else "evaluating")


def _with_base(base: Mapping[str, Any], data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """What a datalist is made from, with what a value's ``data`` says of it: phantoms or a datalist, not both."""
    own = {key: data[key] for key in data if key in BASE_KEYS}
    sources = own.keys() & {"phantoms", "datalist"}
    if len(sources) > 1:
        raise ValueError(f"{where}: data: give either 'phantoms' or 'datalist'.")
    kept = {key: base[key] for key in base if not sources or key not in ("phantoms", "datalist")}
    return {**kept, **own}


def _patterns(given: object, factors: Factors, key: str) -> list[dict[str, tuple[str, ...]]]:
    if given is not None and not isinstance(given, list):
        raise ValueError(f"{key}: must be a list such as [{{FACTOR: VALUE}}], not {given!r}.")
    return [as_pattern(pattern, factors, key) for pattern in given or []]


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        both = sorted(merged.keys() & part.keys())
        if both:
            raise ValueError(f"factors: two factors set {both[0]!r}.")
        merged |= part
    return merged


def _replicates(content: Mapping[str, Any]) -> tuple[Folds | None, tuple[int, ...]]:
    if content.get("folds") is not None:
        if content.get("seeds") is not None:
            raise ValueError("give 'seeds' or 'folds', not both.")
        folds = _folds(as_mapping(content["folds"], "folds", FOLD_KEYS))
        return folds, tuple(range(folds.count))
    seeds = content.get("seeds", [0, 1, 2])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ValueError(f"seeds: must be a list of whole numbers from 0, not {seeds!r}.")
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: {seeds} names one twice.")
    return None, tuple(seeds)


def _folds(given: Mapping[str, Any]) -> Folds:
    # The types are checked because the seed becomes an override, and MONAI runs text that begins with "$".
    rules = {
        "count": (f"a whole number from 2 to {MOST_FOLDS}", lambda n: type(n) is int and 2 <= n <= MOST_FOLDS),
        "located_only": ("true or false", lambda value: isinstance(value, bool)),
        "validation": ("a number above 0 and below 1", lambda share: type(share) in (int, float) and 0 < share < 1),
        "seed": ("a whole number from 0", lambda seed: type(seed) is int and seed >= 0),
    }
    for key, value in {"count": None, **given}.items():
        rule, is_allowed = rules[key]
        if not is_allowed(value):
            raise ValueError(f"folds: {key!r} must be {rule}, not {value!r}.")
    return Folds(**given)


def _check_overrides(parts: Iterable[Mapping[str, Any]], config: Mapping[str, Any], bundle: str) -> None:
    """Raise ValueError for an override that each run sets itself, that the config lacks, or that YAML misread."""
    known = (*config, *OF_LAUNCH, *OF_RESULTS)
    for key, value in itertools.chain.from_iterable(part.items() for part in parts):
        if key in OWN_OVERRIDES:
            raise ValueError(f"{key!r} is set by the study itself for each run.")
        require_known([re.split("#|::", key)[0]], known, f"settings of {bundle}")
        if isinstance(value, str) and EXPONENT.fullmatch(value):
            raise ValueError(f"{key}: YAML reads {value!r} as text; write it with a point, such as 1.0e-4.")


def _check_data(cell: Cell, folds: Folds | None) -> None:
    steps, base = cell.data.keys(), cell.base or {}
    is_nlp = cell.data.get("level") == "nlp" or "nlp" in as_mapping(cell.data.get("mix"), "mix")
    is_located = folds is not None and folds.located_only
    problems = {
        "data steps and folds need 'data': phantoms or a datalist to start from.": not base.keys()
        & {"phantoms", "datalist"}
        and (steps or folds or base),
        "names a datalist, but 'data' makes one.": base and "datalist" in cell.overrides,
        "give 'level' or 'mix', not both.": {"level", "mix"} <= steps,
        "give 'images' or 'patients', not both.": {"images", "patients"} <= steps,
        "'f1' belongs to the level nlp; give both or neither.": is_nlp != ("f1" in steps),
        "'extra_share' needs folds that are located_only.": "extra_share" in steps and not is_located,
    }
    for text, is_problem in problems.items():
        if is_problem:
            raise ValueError(f"{cell.name}: {text}")
