"""Check a merged config in every respect and tell all problems at once; nothing in it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.checking.expressions import check_expressions
from app.checking.files import Loaded, load
from app.checking.ids import reachable
from app.checking.inputs import check_inputs
from app.checking.memory import check_memory
from app.checking.problem import CheckError, Problem
from app.checking.structure import check_structure
from app.checking.targets import check_targets
from app.checking.tracking import check_tracking
from app.checking.values import check_exponents, check_values
from app.nearest import did_you_mean

_WORKFLOWS = ("training", "run", "evaluating")


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        run_id: the workflow that was checked.
        problems: the workflow would fail, or may not run.
        warnings: it would run, but perhaps not as meant.
        facts: what was looked at.
    """

    run_id: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    facts: tuple[str, ...]

    def text(self) -> str:
        """Everything, a line each."""
        lines = [f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)} ({self.run_id}):"] * bool(
            self.problems
        )
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines + [f"  warning: {warning}" for warning in self.warnings])


def check_files(
    files: Sequence[str | Path],
    overrides: Mapping[str, object] | None = None,
    run_id: str | None = None,
    trust: bool = False,
) -> Report:
    """Check config files with overrides.

    Args:
        files: as for ``python -m monai.bundle run --config_file``, in the same order.
        overrides: by id.
        run_id: the workflow; None for the first of ``training``, ``run`` and ``evaluating`` that there is.
        trust: whether files from elsewhere may hold anything, code among it.

    Raises:
        CheckError: a file is missing or cannot be parsed.
    """
    return check(load(files, overrides, trust), run_id, files=True)


def check(loaded: Loaded, run_id: str | None = None, files: bool = False) -> Report:
    """Check a merged config.

    Args:
        loaded: merged, with its origins.
        run_id: the workflow; None for the first that there is.
        files: whether to look at each image and mask that the datalist names; opening the data does so anyway.
    """
    config, findings = loaded.config, loaded.findings
    workflow = run_id or next((name for name in _WORKFLOWS if name in config), "run")
    if workflow not in config:
        known = [name for name in _WORKFLOWS if name in config]
        near = did_you_mean(workflow, known)
        findings.add(
            "", f"there is no workflow {workflow!r} in this config.{near} There are {', '.join(known) or 'none'}."
        )
    check_structure(config, findings, workflow)
    check_exponents(config, findings)
    check_targets(config, findings)
    check_expressions(config, findings)
    check_values(config, loaded.defaults, findings)
    check_tracking(config, findings)
    reached = reachable(config, ["initialize", workflow])
    names = check_inputs(config, workflow, reached, findings, files)
    check_memory(config, names, findings)
    return Report(workflow, tuple(findings.problems), tuple(findings.warnings), tuple(findings.facts))


def require_good(report: Report) -> None:
    """Raise where a report holds problems.

    Raises:
        CheckError: lists all of them.
    """
    if report.problems:
        raise CheckError(f"this configuration cannot run, nothing was done: {report.text()}")
