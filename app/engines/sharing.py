"""Values that the processes of a training share."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import distributed

from app.engines.processes import world_size

Value = TypeVar("Value")


def from_main(value: Value) -> Value:
    """The value that rank 0 has, in all processes, which must call this together; what others give is not used."""
    if world_size() == 1:
        return value
    box: list[Any] = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def over_ranks(value: Value) -> list[Value]:
    """The values of all processes, by rank; all must call this together."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values
