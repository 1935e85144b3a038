"""Kinds of failure, and how often a task is tried again after each."""

import errno

import pytest
import torch

from app.cluster.kinds import kind_of
from app.cluster.resources import Node, Resources
from app.cluster.tasks import Attempt, Task

NODES = [Node("1", "a", Resources(4, 1))]


def wrapped(error: Exception) -> Exception:
    """As MONAI raises it from an expression of a config."""
    outer = RuntimeError("Failed to evaluate '$@train#trainer.run()'")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), "memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (OSError(errno.EIO, "Input/output error"), "storage"),
        (wrapped(OSError(errno.ESTALE, "Stale file handle")), "storage"),
        (OSError(errno.ENOSPC, "No space left on device"), "other"),
        (FileNotFoundError(errno.ENOENT, "missing"), "other"),
        (ValueError("image_size: must be above 0"), "other"),
    ],
)
def test_kinds_of_failure(error, kind):
    assert kind_of(error) == kind


@pytest.mark.parametrize(("kind", "times"), [("died", 3), ("storage", 3), ("memory", 1), ("other", 0)])
def test_a_task_is_tried_again_so_often(kind, times):
    attempt: Attempt | None = Attempt(Task("t", print), Resources(1, 0.5))
    tries = -1
    while attempt is not None:
        attempt, tries = attempt.next(kind, NODES), tries + 1
    assert tries == times


def test_the_limit_is_of_each_kind():
    attempt = Attempt(Task("t", print), Resources(1, 0.5))
    for kind in ("died", "memory", "storage", "died", "died", "storage"):
        following = attempt.next(kind, NODES)
        assert following is not None
        attempt = following
    assert attempt.resources == Resources(1, 1)
