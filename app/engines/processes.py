"""Several processes that train together: how they start, share values and keep their networks equal."""

from __future__ import annotations

import atexit
import logging
import os
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from app.networks.layout import memory_order

LAUNCHER_SETS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun sets for each process."""

TIMEOUT = timedelta(hours=2)
"""How long a process waits for the others: one of them may be preparing data, drawing or writing."""

Value = TypeVar("Value")

logger = logging.getLogger(__name__)


def join() -> None:
    """Join the process group if torchrun started several processes; it is left when the interpreter exits.

    Tensors on GPUs travel over NCCL if each process of this machine has its own GPU, otherwise over gloo; tensors on
    the CPU always travel over gloo.

    Raises:
        RuntimeError: Only some of torchrun's variables are set.
    """
    if distributed.is_initialized() or not _is_launched():
        return
    count, on_this_machine = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if count == 1:
        return
    device = default_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    has_own = 0 < on_this_machine <= torch.cuda.device_count()
    if device.type == "cuda" and not has_own:
        logger.warning(
            f"{on_this_machine} processes share {torch.cuda.device_count()} GPU(s), which is no faster than one per "
            f"GPU; start as many as there are GPUs: torchrun --nproc_per_node={torch.cuda.device_count()}"
        )
    distributed.init_process_group("cpu:gloo,cuda:nccl" if has_own else "gloo", timeout=TIMEOUT)
    atexit.register(leave)


def leave() -> None:
    """Leave the process group, if this process is in one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """This process's rank; 0 if it is the only one."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """The number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Whether this is the process that writes, logs and draws."""
    return rank() == 0


def from_main(value: Value) -> Value:
    """Return rank 0's value in every process; all processes must call this together."""
    if world_size() == 1:
        return value
    values: list[Any] = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def over_ranks(value: Value) -> list[Value]:
    """Return the values of all processes, by rank; all processes must call this together."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def default_device() -> torch.device:
    """This process's GPU by torchrun's ``LOCAL_RANK`` (the first, if the process is alone), otherwise the CPU.

    Processes share GPUs if there are fewer.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ["LOCAL_RANK"]) if _is_launched() else 0
    return torch.device("cuda", local_rank % torch.cuda.device_count())


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a network so that its gradients are means over all processes; return it as it is for a single process.

    Weights and buffers start as those of rank 0. Parameters may be unused in a batch, and frozen or unfrozen later.

    Args:
        network: On ``device``, with the same shapes in all processes.
        device: CPU or this process's GPU.
    """
    if world_size() == 1:
        return network
    # Before wrapping, since buckets of gradients take the memory order of the weights.
    order_weights(network)
    parameters = list(network.parameters())
    is_trained = [parameter.requires_grad for parameter in parameters]
    # DistributedDataParallel ignores parameters that are frozen when it wraps the network, even if unfrozen later.
    for parameter in parameters:
        parameter.requires_grad_(True)
    wrapped = DistributedDataParallel(
        network,
        device_ids=[device.index] if device.type == "cuda" else None,
        broadcast_buffers=False,  # `same_buffers` does it once per epoch
        find_unused_parameters=True,
    )
    for parameter, trained in zip(parameters, is_trained, strict=True):
        parameter.requires_grad_(trained)
    return wrapped


def bare(network: nn.Module) -> nn.Module:
    """The network without the wrapper of `parallel`."""
    return network.module if isinstance(network, DistributedDataParallel) else network


def share_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """Make batch norm layers normalise over the images of all processes; names and values of weights remain.

    Raises:
        ValueError: There are several processes and the device is not a GPU, as torch requires.
    """
    if world_size() == 1:
        return network
    if device.type != "cuda":
        raise ValueError(f"sync_batch_norm works on GPUs only, not on {device}")
    shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return shared


def order_weights(network: nn.Module) -> torch.memory_format:
    """Bring a network's weights into the memory order that suits it, in place, and return that order."""
    devices = {weight.device for weight in network.parameters()}
    order = memory_order(network, next(iter(devices), "cpu"))
    # An evaluation in inference mode may be the first to call a network that is trained later.
    with torch.inference_mode(False), torch.no_grad():
        network.to(memory_format=order)  # type: ignore[call-overload]  # torch does not list this form
    return order


def same_buffers(network: nn.Module) -> None:
    """Give every process the buffers (running statistics) of rank 0; all processes must call this together.

    In training each process tracks the statistics of its own images. Evaluation and saved weights use those of rank 0.
    """
    if world_size() == 1:
        return
    with torch.no_grad():
        for buffer in bare(network).buffers():
            values = buffer.contiguous()
            distributed.broadcast(values, src=0)
            if values is not buffer:
                buffer.copy_(values)


def _is_launched() -> bool:
    """Whether torchrun started this process.

    Raises:
        RuntimeError: Only some of torchrun's variables are set.
    """
    absent = [name for name in LAUNCHER_SETS if not os.environ.get(name)]
    # Cluster schedulers set some of the other variables for purposes of their own.
    if "LOCAL_RANK" in absent and "RANK" in absent:
        return False
    if absent:
        raise RuntimeError(
            f"the environment describes several processes but lacks {', '.join(absent)}: start them with "
            "torchrun --nproc_per_node=N -m monai.bundle run ..., or unset RANK and LOCAL_RANK for a single process"
        )
    return True
