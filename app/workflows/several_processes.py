"""A workflow of a bundle in several processes that train together, as torchrun starts them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.cluster.fresh_process import die_with
from app.cluster.kinds import MEMORY, STORAGE, kind_of
from app.failures import described
from app.files.atomic import write_whole
from app.interrupts import sigterm_as_exit
from app.lazy import install
from app.workflows.running import start

PATIENCE = 40.0
"""Seconds that torchrun has to end its processes in order; it kills them 30 seconds after SIGTERM."""
ARGUMENTS, ERROR = "arguments.json", "error.json"


def start_in_processes(count: int, files: Sequence[Path], run_id: str, overrides: Mapping[str, object]) -> None:
    """Run a workflow as `app.workflows.running.start` does, in this process or in several that train together.

    Args:
        count: Processes; with 1, it runs in this one.
        files: Config files.
        run_id: Such as ``training``.
        overrides: Values by id; with more than one process, such as JSON can hold.

    Raises:
        Exception: Whatever the workflow raises; from several processes, a ValueError, MemoryError or OSError with its
            words.
    """
    if count == 1:
        start(files, run_id, overrides)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments = {"files": [str(file) for file in files], "run_id": run_id, "overrides": dict(overrides)}
        write_whole(Path(folder) / ARGUMENTS, json.dumps(arguments))
        code = _torchrun(count, folder)
        if code:
            error = Path(folder) / ERROR
            raise (
                _error(json.loads(error.read_text())) if error.exists() else ValueError(f"torchrun ended with {code}.")
            )


def _torchrun(count: int, folder: str) -> int:
    """Start the processes and wait for them; its exit status."""
    parent = os.getpid()
    # The workflow runs one launch on this machine: --standalone finds a free port.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    # PYTHONSAFEPATH: a folder "app" in the working folder must not be taken for ours.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    process = subprocess.Popen([*command, "-m", __name__, folder], env=environment, preexec_fn=lambda: die_with(parent))
    try:
        with sigterm_as_exit():
            return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE)


def _error(described_error: Mapping[str, Any]) -> Exception:
    text, kind = described_error["text"], described_error["kind"]
    if kind == MEMORY:
        return MemoryError(text)
    return OSError(errno.EIO, text) if kind == STORAGE else ValueError(text)


def main(folder: Path) -> None:
    """Be one of the processes."""
    die_with(os.getppid())
    install()
    arguments = json.loads((folder / ARGUMENTS).read_text(encoding="utf-8"))
    try:
        start([Path(file) for file in arguments["files"]], arguments["run_id"], arguments["overrides"])
    except Exception as error:
        # The first to fail is the one that tells; the others may only miss it.
        if not (folder / ERROR).exists():
            write_whole(folder / ERROR, json.dumps({"text": described(error), "kind": kind_of(error)}))
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
