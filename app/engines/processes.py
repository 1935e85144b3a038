"""Several processes that train together: how they find each other, and what they share."""

from __future__ import annotations

import atexit
import logging
import os
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from app.networks.layout import memory_order

LAUNCHER_SETS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells each process through its environment."""

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others: one of them may be preparing data, drawing or writing."""

logger = logging.getLogger(__name__)


def join() -> None:
    """Join the other processes that torchrun started; do nothing where there are none, or they were joined already.

    Tensors on GPUs go over NCCL where each process of this machine has a GPU of its own, else over gloo; tensors on
    the CPU go over gloo in either case. The group is left when the interpreter ends.

    Raises:
        RuntimeError: only some of torchrun's variables are set, or one of them is not a number.
    """
    if distributed.is_initialized() or not _is_launched():
        return
    count, on_this_machine = _number("WORLD_SIZE"), _number("LOCAL_WORLD_SIZE")
    if count == 1:
        return
    device = local_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    has_own = 0 < on_this_machine <= torch.cuda.device_count()
    if device.type == "cuda" and not has_own:
        logger.warning(
            f"{on_this_machine} processes share {torch.cuda.device_count()} GPU(s): no faster than one each; "
            f"start as many as there are: torchrun --nproc_per_node={torch.cuda.device_count()}"
        )
    distributed.init_process_group("cpu:gloo,cuda:nccl" if has_own else "gloo", timeout=PATIENCE)
    atexit.register(leave)


def leave() -> None:
    """Leave the group, if this process is in one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> int:
    """This process's number, 0 where it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """Whether this is the one process that writes, logs and draws."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process has come here."""
    if distributed.is_initialized():
        # A sum of nothing on the CPU: waits without touching a GPU's queue.
        distributed.all_reduce(torch.zeros(1))


def local_device() -> torch.device:
    """The GPU of this process, by torchrun's ``LOCAL_RANK`` (0 outside of it), else the CPU.

    Where there are fewer GPUs than processes, some share one.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    place = _number("LOCAL_RANK") if _is_launched() else 0
    return torch.device("cuda", place % torch.cuda.device_count())


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """The network such that its gradients are means over all processes; the network itself where there is one process.

    Weights and buffers start as those of process 0. A parameter that takes no part in a batch's loss, on this process
    or on all, is allowed; so is one that is frozen now and trained later, or the other way round.

    Args:
        network: on ``device``, of equal shapes in all processes.
        device: where it is.
    """
    if world_size() == 1 or not any(True for _ in network.parameters()):
        return network
    # Now, as buckets of gradients are laid out like the weights.
    order_weights(network)
    parameters = list(network.parameters())
    is_trained = [parameter.requires_grad for parameter in parameters]
    # A parameter that is frozen when the network is wrapped would never be followed, also when it is trained later.
    for parameter in parameters:
        parameter.requires_grad_(True)
    wrapped = DistributedDataParallel(
        network,
        device_ids=[device.index] if device.type == "cuda" else None,
        # Running statistics are brought together once an epoch (see `same_buffers`), not before every batch.
        broadcast_buffers=False,
        find_unused_parameters=True,
    )
    for parameter, trained in zip(parameters, is_trained, strict=True):
        parameter.requires_grad_(trained)
    return wrapped


def bare(network: nn.Module) -> nn.Module:
    """The network itself, without what `parallel` put around it."""
    return network.module if isinstance(network, DistributedDataParallel) else network


def share_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """Have batch norm layers normalise with statistics over all processes' images, not over each one's own share.

    Layers within the network are exchanged in place; parameters, and names and values of weights, remain.

    Raises:
        ValueError: there are several processes, and the device is no GPU: others cannot do it.
    """
    if world_size() == 1:
        return network
    if device.type != "cuda":
        raise ValueError(f"sync_batch_norm works on GPUs only, not on {device}")
    shared: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return shared


def order_weights(network: nn.Module) -> torch.memory_format:
    """Bring a network's weights into the order that suits it, in place: the same parameters, names and values.

    Returns:
        That order, for the network's input.
    """
    devices = {weight.device for weight in network.parameters()}
    order = memory_order(network, next(iter(devices), "cpu"))
    # An evaluation may be the first to call a network that is trained later.
    with torch.inference_mode(False), torch.no_grad():
        network.to(memory_format=order)  # type: ignore[call-overload]  # torch does not list this form
    return order


def same_buffers(network: nn.Module) -> None:
    """Give every process the buffers (running statistics) of process 0; all processes must call this together.

    Each process follows the statistics of its own share of the images in training. Evaluation, and the weights that
    are kept, go by those of process 0.
    """
    if world_size() == 1:
        return
    with torch.no_grad():
        for buffer in bare(network).buffers():
            _take_first(buffer)


def _take_first(buffer: Tensor) -> None:
    kept = buffer.contiguous()
    distributed.broadcast(kept, src=0)
    if kept is not buffer:
        buffer.copy_(kept)


def _is_launched() -> bool:
    """Whether torchrun started this process.

    Raises:
        RuntimeError: some of its variables are there, but not all.
    """
    absent = [name for name in LAUNCHER_SETS if not os.environ.get(name)]
    # Schedulers of clusters set some of the others for purposes of their own.
    if "LOCAL_RANK" in absent and "RANK" in absent:
        return False
    if absent:
        raise RuntimeError(
            f"the environment tells of several processes, but not {', '.join(absent)}: start them with "
            "torchrun --nproc_per_node=N -m monai.bundle run ..., or unset RANK and LOCAL_RANK for a single process"
        )
    return True


def _number(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise RuntimeError(f"the environment's {name} is {text!r}, but must be a number")
    return int(text)
