"""What every run is tagged with: the code's version and the versions of the packages that numbers depend on."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import app

_PACKAGES = ("torch", "monai", "pytorch-ignite", "numpy", "mlflow", "pydicom", "opencv-python-headless")


def facts() -> dict[str, str]:
    """Tags of a new run: versions, git commit of this code and the command as it was typed."""
    tags = {
        "frugal.version": app.__version__,
        "frugal.python": platform.python_version(),
        "frugal.command": shlex.join(sys.argv),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
    }
    for package in _PACKAGES:
        try:
            tags[f"frugal.{package}"] = version(package)
        except PackageNotFoundError:
            tags[f"frugal.{package}"] = "absent"
    return tags | git_commit(Path(app.__file__).parent)


def git_commit(folder: Path) -> dict[str, str]:
    """The commit that ``folder`` was checked out from, and whether files were changed since; empty without git.

    An installed copy that merely lies inside somebody's repository is not tracked by it, and has no commit.
    """
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return {}
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "frugal.git_changed": "yes" if changes else "no"}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None where there is no git, no repository or no answer within 10 s."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
