"""Check a merged config in every respect and report all problems at once; nothing in it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.checking.expressions import check_expressions
from app.checking.files import load
from app.checking.ids import reachable
from app.checking.inputs import check_inputs
from app.checking.memory import check_memory
from app.checking.merged import MergedConfig
from app.checking.problems import CheckError, Problem
from app.checking.structure import check_structure
from app.checking.targets import check_targets
from app.checking.tracking import check_tracking
from app.checking.values import check_exponents, check_values
from app.nearest import did_you_mean

_WORKFLOWS = ("training", "run", "evaluating")


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a check.

    Attributes:
        run_id: the workflow that was checked.
        problems: the workflow would fail, or must not run.
        warnings: it would run, but perhaps not as intended.
        facts: what was looked at.
    """

    run_id: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    facts: tuple[str, ...]

    def text(self) -> str:
        """Problems and warnings, one a line."""
        count = len(self.problems)
        lines = [f"{count} problem{'' if count == 1 else 's'} ({self.run_id}):"] if count else []
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])


def check_files(
    files: Sequence[str | Path],
    overrides: Mapping[str, object] | None = None,
    run_id: str | None = None,
    trust: bool = False,
) -> CheckResult:
    """Check config files with overrides, and every file that their datalist names.

    Args:
        files: as for ``python -m monai.bundle run --config_file``, in the same order.
        overrides: by id.
        run_id: the workflow; None for the first of ``training``, ``run`` and ``evaluating`` that exists.
        trust: whether all files are trusted and may run code.

    Raises:
        CheckError: a file is missing or cannot be parsed.
    """
    return check(load(files, overrides, trust, run_id or "run"), run_id, files=True)


def check(merged: MergedConfig, run_id: str | None = None, files: bool = False) -> CheckResult:
    """Check a merged config.

    Args:
        merged: knows which file set each id.
        run_id: the workflow; None for the first that exists.
        files: whether to look at every image and mask that the datalist names; opening the data does so anyway.
    """
    config, problems = merged.config, merged.problems
    known = [name for name in _WORKFLOWS if name in config]
    workflow = run_id or (known[0] if known else "run")
    if workflow not in config:
        text = f"there is no workflow {workflow!r} in this config.{did_you_mean(workflow, known)}"
        problems.add("", f"{text} There are {', '.join(known) or 'none'}.")
    check_structure(config, problems, workflow)
    check_exponents(config, problems)
    check_targets(config, problems)
    check_expressions(config, problems)
    check_values(config, merged.defaults, problems)
    check_tracking(config, problems)
    reached = reachable(config, ["initialize", workflow])
    findings = check_inputs(config, workflow, reached, problems, files)
    check_memory(config, findings, problems)
    return CheckResult(workflow, tuple(problems.problems), tuple(problems.warnings), tuple(problems.facts))


def require_good(result: CheckResult) -> None:
    """Raise if a check found problems.

    Raises:
        CheckError: lists all of them.
    """
    if result.problems:
        raise CheckError(f"this configuration cannot run, nothing was done: {result.text()}")
