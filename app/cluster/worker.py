"""What happens in a worker process on a node: one call, in the working folder and environment of its driver."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.cluster.fresh_process import Template
from app.cluster.kinds import DIED, kind_of
from app.failures import described

DEVICES = "CUDA_VISIBLE_DEVICES"
NODE = "FRUGAL_NODE"
"""Environment variable that names the node a task runs on."""


@dataclass(frozen=True)
class Call:
    """A call as it travels to a node.

    Attributes:
        function: Importable.
        arguments: Of the function.
        folder: The driver's working folder.
        environment: Variables taken from the driver.
        has_gpu: Whether it claims one; otherwise it sees none.
        delay: Seconds to wait before it.
        preload: Modules that the template of fresh processes imports; None to call in the worker process itself.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    folder: str
    environment: Mapping[str, str]
    has_gpu: bool
    delay: float = 0.0
    preload: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Reply:
    """How a call ended: its value, or the kind and the words of its failure; and the node."""

    value: Any = None
    kind: str = ""
    error: str = ""
    node: str = ""


_template: tuple[tuple[object, ...], Template] | None = None


def device_names(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The GPUs that a process may use, by ``CUDA_VISIBLE_DEVICES``; empty if it names none.

    Example:
        >>> device_names({"CUDA_VISIBLE_DEVICES": "2,3"}), device_names({"CUDA_VISIBLE_DEVICES": ""})
        (('2', '3'), ())
    """
    return tuple(name for name in environment.get(DEVICES, "").split(",") if name not in ("", "-1", "NoDevFiles"))


def node_name() -> str:
    """The machine that this process runs on, and on a cluster the beginning of its node's id: ``gpu03/1f2e3d4c``."""
    return os.environ.get(NODE) or socket.gethostname()


def perform(call: Call) -> Reply:
    """Make a call. Its exceptions become part of the reply."""
    _enter(call)
    try:
        time.sleep(call.delay)
        if call.preload is None:
            return Reply(call.function(*call.arguments), node=node_name())
        kind, error = _in_fresh_process(call)
    except Exception as caught:
        kind, error = kind_of(caught), " ".join(described(caught).split())
    return Reply(None, kind, error, node_name())


def _enter(call: Call) -> None:
    import ray

    # A shell lets what it starts in the background ignore Ctrl-C, and with it Ray's way to cancel a task.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    node = ray.get_runtime_context().get_node_id()[:8]
    os.environ.update(call.environment, **{NODE: f"{socket.gethostname()}/{node}"})
    if not call.has_gpu:  # Ray would leave all GPUs visible
        os.environ[DEVICES] = ""
    os.chdir(call.folder)


def _in_fresh_process(call: Call) -> tuple[str, str]:
    """Call in a process forked from this worker's template, which is started anew if other threads are asked for."""
    global _template
    assert call.preload is not None
    key = (call.preload, os.environ.get("OMP_NUM_THREADS"))
    if _template is not None and _template[0] != key:
        _template[1].close()
        _template = None
    if _template is None:
        _template = key, Template(call.preload, os.environ)
    # The devices and the rest may differ from those of the call for which the template was started.
    environment = {**call.environment, NODE: os.environ[NODE], DEVICES: os.environ.get(DEVICES, "")}
    try:
        return _template[1].call(call.function, call.arguments, environment)
    except (EOFError, OSError):
        _template = None
        return DIED, "the process that it was to be forked from died"
