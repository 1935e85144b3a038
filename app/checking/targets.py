"""Components against the signatures of what they name: arguments that are unknown, missing or of a wrong kind."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from app.checking.ids import followed, is_literal, joined, walk
from app.checking.kinds import fits, kind
from app.checking.problem import Findings
from app.checking.signatures import Parameter, Signature, signature_of
from app.checking.sources import MissingNameError
from app.checking.structure import SPECIAL
from app.nearest import did_you_mean

KIND = "kind"
"""The topic under which a value of a wrong kind is told, once a place."""
# Components that hand a mapping on: (argument, what takes its entries, which of those are given already).
_HANDED_ON = {"app.phantoms.opened.open_data": ("phantoms", "app.phantoms.write_phantoms", ("out",))}


def components(config: object) -> Iterator[tuple[str, dict[str, object], str]]:
    """(id, component, target) of everything with a target that is a plain name."""
    for identifier, value in walk(config):
        if isinstance(value, dict) and isinstance(value.get("_target_"), str) and is_literal(value["_target_"]):
            yield identifier, value, value["_target_"]


def check_targets(config: dict[str, object], findings: Findings) -> None:
    """Find what is wrong between components and what they name."""
    for identifier, component, target in components(config):
        signature = named_signature(joined(identifier, "_target_"), target, findings)
        if signature is None:
            continue
        arguments = {str(key): value for key, value in component.items() if key not in SPECIAL}
        partial = component.get("_mode_") == "callable"
        _check_arguments(config, identifier, arguments, signature, partial, findings)
        if target in _HANDED_ON:
            _check_handed_on(config, identifier, target, findings)


def named_signature(place: str, target: str, findings: Findings) -> Signature | None:
    """The signature of a target, or None with a problem where there is no such thing."""
    try:
        return signature_of(target)
    except MissingNameError as error:
        missing = str(error)
        last = missing.rpartition(".")[2]
        near = did_you_mean(last, error.known)
        findings.add(place, f"there is no {missing!r}.{near}", "target")
    except (SyntaxError, UnicodeDecodeError) as error:
        findings.add(place, f"the source of {target!r} cannot be read: {error}", "target")
    return None


def _check_arguments(
    config: dict[str, object],
    identifier: str,
    arguments: dict[str, object],
    signature: Signature,
    partial: bool,
    findings: Findings,
) -> None:
    by_name = {parameter.name: parameter for parameter in signature.parameters}
    for name in arguments:
        if name in by_name:
            _check_kind(config, joined(identifier, name), by_name[name], signature, findings)
        elif not signature.takes_any and not name.startswith("_"):
            takes = f"It takes {', '.join(signature.names)}." if signature.names else "It takes none."
            near = did_you_mean(name, by_name) or f" {takes}"
            findings.add(joined(identifier, name), f"{signature.name} takes no argument {name!r}.{near}")
    missing = [each.name for each in signature.parameters if each.required and each.name not in arguments]
    if missing and not partial:
        findings.add(identifier, f"{signature.name} needs {', '.join(map(repr, missing))}.")


def _check_kind(
    config: dict[str, object], identifier: str, parameter: Parameter, signature: Signature, findings: Findings
) -> None:
    """Tell a literal that an argument cannot be, where that literal stands."""
    place, value = followed(config, identifier)
    if not is_literal(value) or parameter.annotation is None or fits(value, parameter.annotation):
        return
    if value is None and isinstance(parameter.default, ast.Constant) and parameter.default.value is None:
        return
    allowed = ast.unparse(parameter.annotation)
    of = f"{signature.name}'s {parameter.name}"
    findings.add(place, f"{value!r} is {kind(value)}, but {of} is of type {allowed}.", KIND)


def _check_handed_on(config: dict[str, object], identifier: str, target: str, findings: Findings) -> None:
    """Check the entries of a mapping that a component passes on as arguments."""
    argument, receiver, given = _HANDED_ON[target]
    try:
        place, value = followed(config, joined(identifier, argument))
    except KeyError:
        return
    if isinstance(value, dict):
        arguments = {str(key): each for key, each in value.items()} | dict.fromkeys(given, "$")
        full = signature_of(receiver)
        kept = tuple(each for each in full.parameters if each.name not in given)
        signature = Signature(full.name, full.module, kept, full.takes_any)
        for name in given:
            arguments.pop(name)
        _check_arguments(config, place, arguments, signature, partial=False, findings=findings)
