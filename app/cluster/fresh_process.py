"""Calls in a process of their own each, forked from a template that has imported what they need.

Importing torch and MONAI takes seconds. The template does it once; each call then starts at once, with memory and a
GPU of its own, and leaves nothing behind.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from app.cluster.kinds import DIED, kind_of
from app.failures import described

POLL_SECONDS = 0.2
PATIENCE = 45.0
"""Seconds that a call has to end in order after SIGTERM: the end of its MLflow run may wait 20 seconds for a server."""
LONGEST_TEXT = 2000
"""Characters of an error that are passed on: little enough for a message that is sent as a whole."""
_PR_SET_PDEATHSIG = 1


class Failure(NamedTuple):
    """Why a call failed: its kind (see ``kinds``) and a line; both are empty if it went well."""

    kind: str = ""
    error: str = ""


class Template:
    """A process that has imported some modules and forks a child for each call.

    If this process dies, however that happens, so do the template and its child.

    Args:
        modules: Modules to import.
        environment: Environment variables of the template.
    """

    def __init__(self, modules: Sequence[str], environment: Mapping[str, str]) -> None:
        self._channel, theirs = Pipe()
        # -P: a folder "app" in the working folder must not be taken for ours.
        command = [sys.executable, "-P", "-c", f"import sys; from {__name__} import main; main(sys.argv[1:])"]
        command += [str(theirs.fileno()), str(os.getpid()), *modules]
        # By NVML, torch counts GPUs without opening one, which no process that forks may do.
        own = {**environment, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        self._process = subprocess.Popen(command, env=own, pass_fds=[theirs.fileno()])
        theirs.close()

    def call(
        self, function: Callable[..., object], arguments: tuple[Any, ...], environment: Mapping[str, str]
    ) -> Failure:
        """Call an importable function in a new process and wait for it; what it returns is dropped.

        Args:
            function: The function.
            arguments: Its arguments.
            environment: Variables that are set in the new process, beside those of the template.

        Raises:
            KeyboardInterrupt: Passed on to the call as SIGTERM, and raised once the call has ended.
            EOFError: The template died.
        """
        self._channel.send_bytes(pickle.dumps((function, arguments, dict(environment))))
        failure, pid, interrupted_at = Failure(), 0, 0.0
        while True:
            try:
                while not self._channel.poll(POLL_SECONDS):
                    if pid and interrupted_at and time.monotonic() > interrupted_at + PATIENCE:
                        os.kill(pid, signal.SIGKILL)
                word, value = self._channel.recv()
            except KeyboardInterrupt:
                word, value, interrupted_at = "", None, time.monotonic()
                if pid:
                    os.kill(pid, signal.SIGTERM)
            if word == "pid":
                pid = value
                if interrupted_at:
                    os.kill(pid, signal.SIGTERM)
            elif word == "failure":
                failure = Failure(*value)
            elif word == "ended":
                break
        if interrupted_at:
            raise KeyboardInterrupt
        return failure if failure.kind or value == 0 else Failure(DIED, f"its process {_ending(value)}")

    def close(self) -> None:
        """End the template, and with it a call that is running."""
        self._channel.close()
        self._process.kill()
        self._process.wait()


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"


def die_with(parent: int) -> None:
    """Let the system kill this process when its parent dies.

    Args:
        parent: The parent's process id; if it has died already, this process ends at once.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main(words: Sequence[str]) -> None:
    """Be the template: the descriptor to listen on, the parent's process id, modules to import."""
    descriptor, parent, *modules = words
    die_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Connection(int(descriptor))
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # or each collection in a child would copy all that it inherits
    while True:
        try:
            request = channel.recv_bytes()
        except (EOFError, ConnectionResetError):
            return
        template, pid = os.getpid(), os.fork()
        if pid == 0:
            die_with(template)
            channel.send(("pid", os.getpid()))
            # As children of multiprocessing end: freeing all that was inherited would copy it, which takes seconds.
            os._exit(_perform(channel, request))
        _, status = os.waitpid(pid, 0)
        channel.send(("ended", os.waitstatus_to_exitcode(status)))


def _perform(channel: Connection, request: bytes) -> int:
    """In the child: call the function, tell of its failure; its exit status."""
    code = 0
    try:
        function, arguments, environment = pickle.loads(request)
        os.environ.update(environment)
        function(*arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except Exception as error:
        code = 1
        text = " ".join(described(error).split()) or type(error).__name__
        channel.send(("failure", (kind_of(error), text[:LONGEST_TEXT])))
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code
