"""Components against the signatures of their targets: unknown and missing arguments, and values of a wrong kind."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator
from dataclasses import replace

from app.checking.ids import followed, is_literal, joined, walk
from app.checking.kinds import fits, kind
from app.checking.problems import Problems
from app.checking.signatures import Parameter, Signature, signature_of
from app.checking.sources import MissingNameError
from app.checking.structure import SPECIAL_KEYS
from app.nearest import did_you_mean

KIND = "kind"
"""The topic of values of a wrong kind: an id gets one such problem."""
# (component, its argument, what it passes the entries of that mapping to, arguments that it adds itself)
_PASSED_ON = ("app.phantoms.opened.open_data", "phantoms", "app.phantoms.write_phantoms", {"out"})


def components(config: object) -> Iterator[tuple[str, dict[str, object], str]]:
    """(id, component, target) of every component whose target is a plain name."""
    for identifier, value in walk(config):
        if isinstance(value, dict) and isinstance(value.get("_target_"), str) and is_literal(value["_target_"]):
            yield identifier, value, value["_target_"]


def check_targets(config: dict[str, object], problems: Problems) -> None:
    """Find targets that do not exist, and arguments that these do not take, need, or take of another kind."""
    for identifier, component, target in components(config):
        signature = _signature(joined(identifier, "_target_"), target, problems)
        if signature is None:
            continue
        arguments = {str(key): value for key, value in component.items() if key not in SPECIAL_KEYS}
        _check_arguments(config, identifier, arguments, signature, problems)
        if component.get("_mode_") != "callable":
            _check_missing(identifier, arguments, signature, problems)
        if target == _PASSED_ON[0] and _PASSED_ON[1] in component:
            _check_passed_on(config, joined(identifier, _PASSED_ON[1]), problems)


def _signature(identifier: str, target: str, problems: Problems) -> Signature | None:
    try:
        return signature_of(target)
    except MissingNameError as error:
        missing = str(error)
        hint = did_you_mean(missing.rpartition(".")[2], error.known)
        problems.add(identifier, f"there is no {missing!r}.{hint}", "target")
    except (SyntaxError, ValueError) as error:
        problems.add(identifier, f"the source of {target!r} cannot be read: {error}", "target")
    return None


def _check_arguments(
    config: dict[str, object], identifier: str, arguments: dict[str, object], signature: Signature, problems: Problems
) -> None:
    by_name = {parameter.name: parameter for parameter in signature.parameters}
    for name in arguments:
        if name in by_name:
            _check_kind(config, joined(identifier, name), by_name[name], signature, problems)
        elif not signature.takes_any and not name.startswith("_"):
            takes = f" It takes {', '.join(by_name) or 'none'}."
            hint = did_you_mean(name, by_name) or takes
            problems.add(joined(identifier, name), f"{signature.name} takes no argument {name!r}.{hint}")


def _check_missing(identifier: str, arguments: Container[str], signature: Signature, problems: Problems) -> None:
    missing = [name for name in signature.required if name not in arguments]
    if missing:
        problems.add(identifier, f"{signature.name} needs {', '.join(map(repr, missing))}.")


def _check_kind(
    config: dict[str, object], identifier: str, parameter: Parameter, signature: Signature, problems: Problems
) -> None:
    """Report a literal that the argument cannot be, at the id where the literal is."""
    try:
        place, value = followed(config, identifier)
    except KeyError:  # below a key with "#", which is a problem of its own
        return
    if parameter.annotation is None or fits(value, parameter.annotation):
        return
    if value is None and isinstance(parameter.default, ast.Constant) and parameter.default.value is None:
        return
    expected = f"{signature.name}'s {parameter.name} is of type {ast.unparse(parameter.annotation)}"
    problems.add(place, f"{value!r} is {kind(value)}, but {expected}.", KIND)


def _check_passed_on(config: dict[str, object], identifier: str, problems: Problems) -> None:
    """Check a mapping whose entries the component passes on as arguments."""
    place, value = followed(config, identifier)
    if isinstance(value, dict):
        signature = signature_of(_PASSED_ON[2])
        open_parameters = tuple(each for each in signature.parameters if each.name not in _PASSED_ON[3])
        signature = replace(signature, parameters=open_parameters)
        _check_arguments(config, place, value, signature, problems)
        _check_missing(place, value, signature, problems)
