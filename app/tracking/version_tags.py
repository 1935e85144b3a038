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
        "frugal.command": shlex.join(sys.argv),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
    }
    for package in _PACKAGES:
        try:
            tags[f"frugal.{package}"] = version(package)
        except PackageNotFoundError:
            tags[f"frugal.{package}"] = "absent"
    return tags | _git_tags()


def _git_tags() -> dict[str, str]:
    """The commit that this code was checked out from, and whether files were changed since; empty without git."""
    # A copy installed inside somebody else's repository is not tracked by it, and has no commit.
    commit = _git("rev-parse", "HEAD") if _git("ls-files", "--error-unmatch", "__init__.py") is not None else None
    if commit is None:
        return {}
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"mlflow.source.git.commit": commit, "frugal.git_changed": "yes" if changes else "no"}


def _git(*arguments: str) -> str | None:
    """The output of git in the folder of this code; None if git, or the repository, is missing or slow."""
    command = ["git", "-C", str(Path(app.__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
