"""Tags of every run: versions of the code and of the packages that numbers depend on, and the command."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import app

_PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom", "opencv-python-headless")


def version_tags() -> dict[str, str]:
    """Versions, the git commit of this code, and the command as it was typed."""
    tags = {
        "frugal.version": app.__version__,
        "frugal.python": platform.python_version(),
        "frugal.command": command(),
        "mlflow.source.name": _program().split()[-1],
        "mlflow.source.type": "LOCAL",
    }
    for package in _PACKAGES:
        try:
            tags[f"frugal.{package}"] = version(package)
        except PackageNotFoundError:
            tags[f"frugal.{package}"] = "absent"
    # A copy installed inside somebody else's repository is not tracked by it, and has no commit.
    if _git("ls-files", "--error-unmatch", "__init__.py") and (commit := _git("rev-parse", "HEAD")):
        changes = _git("status", "--porcelain", "--untracked-files=no")
        tags |= {"mlflow.source.git.commit": commit, "frugal.git_changed": "yes" if changes else "no"}
    return tags


def command() -> str:
    """The command as it was typed."""
    return shlex.join([*_program().split(), *sys.argv[1:]])


def _program() -> str:
    """The program that runs, as it is called: ``frugal``, or ``python -m monai.bundle``."""
    started = getattr(sys.modules["__main__"], "__spec__", None)
    if started is not None and started.name != "app.__main__":
        return f"python -m {started.name.removesuffix('.__main__')}"
    return "frugal" if started is not None else Path(sys.argv[0]).name or "python"


def _git(*arguments: str) -> str:
    """The output of git in the folder of this code; empty if git, or the repository, is missing or slow."""
    command = ["git", "-C", str(Path(app.__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
